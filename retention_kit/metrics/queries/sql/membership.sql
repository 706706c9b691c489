-- Who is a customer at the ends of spans: runs [from_period, until_period), with the period of the customer's first. In
-- each one becomes a customer and ceases to be one; spans that may touch say which `begins` and which `ends` it.
CREATE OR REPLACE TEMP TABLE $name AS
SELECT runs.customer_id, runs.from_period, runs.until_period, $first_period AS first_period, true AS begins, true AS ends
FROM $runs AS runs $firsts
