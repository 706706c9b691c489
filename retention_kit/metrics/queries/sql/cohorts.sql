-- Cohorts: customers by the period in which they were first active, counted in every later one, with what they pay.
WITH moves AS (
    SELECT $customer first_period AS cohort, from_period, until_period,
           $active_columns
    FROM $active AS active $by_span
    UNION ALL
    SELECT $customer cohort, from_period, until_period, $payments_columns FROM ($paid) AS payments $by_span
)
