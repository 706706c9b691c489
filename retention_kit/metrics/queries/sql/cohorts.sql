-- Cohorts: customers by the period in which they were first active, counted in every later one, with what they pay.
WITH moves AS (
    SELECT customer_id, first_period AS cohort, from_period, until_period,
           $active_columns
    FROM $active AS active
    UNION ALL
    SELECT customer_id, cohort, from_period, until_period, $payments_columns FROM ($paid) AS payments
)
