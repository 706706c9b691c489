-- Cohorts: customers by the month of their first order, counted in each month in which they bought.
WITH months AS (
    SELECT DISTINCT customer_id, CAST(date_trunc('month', ordered_at) AS DATE) AS month
    FROM orders
    WHERE customer_id IS NOT NULL
),
firsts AS (
    SELECT customer_id, MIN(month) AS cohort FROM months GROUP BY customer_id
)
SELECT cohort, month, COUNT(*) AS active
FROM months JOIN firsts USING (customer_id)
GROUP BY cohort, month
ORDER BY cohort, month
