-- Who is a customer at the ends of spans: runs [from_period, until_period), marked where the customer's first begins.
CREATE OR REPLACE TEMP TABLE $name AS
SELECT runs.customer_id, runs.from_period, runs.until_period, runs.from_period = firsts.first_period AS is_first
FROM $runs AS runs
JOIN (SELECT customer_id, MIN(from_period) AS first_period FROM $first GROUP BY customer_id) AS firsts
    ON firsts.customer_id = runs.customer_id
