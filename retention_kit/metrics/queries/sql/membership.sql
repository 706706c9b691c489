-- Customers at the ends of spans: runs [from_period, until_period), with the customer's first period. A customer
-- begins and ceases to be one with each run; for adjacent spans `begins` and `ends` say where.
CREATE OR REPLACE TEMP TABLE $name AS
SELECT runs.customer_id, runs.from_period, runs.until_period, $first_period AS first_period, true AS begins, true AS ends
FROM $runs AS runs $firsts
