-- Cohorts: customers by the period in which they were first active, counted in every later one, with what they pay.
WITH firsts AS (
    SELECT customer_id, MIN(from_period) AS cohort FROM activity GROUP BY customer_id
),
moves AS (
    SELECT firsts.customer_id, cohort, from_period, until_period, 1 AS active, 0 AS revenue
    FROM activity JOIN firsts ON firsts.customer_id = activity.customer_id
    UNION ALL
    SELECT firsts.customer_id, cohort, from_period, until_period, 0, paid
    FROM ($paid) AS payments JOIN firsts ON firsts.customer_id = payments.customer_id
)
