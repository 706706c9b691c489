-- Cohorts: customers by the period in which they were first active, counted in every later one.
WITH moves AS (
    SELECT customer_id, MIN(from_period) OVER (PARTITION BY customer_id) AS cohort, from_period, until_period, 1 AS active
    FROM activity
)
