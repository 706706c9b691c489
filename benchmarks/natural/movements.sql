-- Customers by month, from the months in which they bought: distinct months and the one before each.
WITH months AS (
    SELECT DISTINCT customer_id, CAST(date_trunc('month', ordered_at) AS DATE) AS month
    FROM orders
    WHERE customer_id IS NOT NULL
),
visits AS (
    SELECT month, lag(month) OVER (PARTITION BY customer_id ORDER BY month) AS before FROM months
),
moves AS (
    SELECT month, COUNT(*) AS ended, COUNT(*) FILTER (before IS NULL) AS new,
           COUNT(*) FILTER (before = month - INTERVAL 1 MONTH) AS retained,
           COUNT(*) FILTER (before < month - INTERVAL 1 MONTH) AS reactivated
    FROM visits
    GROUP BY month
)
SELECT month, lag(ended) OVER (ORDER BY month) AS start, new, reactivated,
       lag(ended) OVER (ORDER BY month) - retained AS lost, retained, ended AS "end"
FROM moves
QUALIFY month >= DATE '$first'
ORDER BY month
