-- The purchases of each customer in each period, with their first such period and the one before; and, for changes by
-- customer, the amount of the period before (0 without any).
CREATE OR REPLACE TEMP TABLE purchases_by_period AS
WITH sums AS (
    SELECT customer_id, $order_period AS period, CAST(COUNT(*) AS INTEGER) AS purchases,
           CAST(SUM(amount) AS BIGINT) AS revenue $days
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL
    GROUP BY 1, 2
)
SELECT *, $first_period AS first_period,
       lag(period) OVER (PARTITION BY customer_id ORDER BY period) AS previous_period,
       CASE WHEN lag(period) OVER (PARTITION BY customer_id ORDER BY period) = period - 1
            THEN lag(purchases) OVER (PARTITION BY customer_id ORDER BY period) ELSE 0 END AS purchases_before,
       CASE WHEN lag(period) OVER (PARTITION BY customer_id ORDER BY period) = period - 1
            THEN lag(revenue) OVER (PARTITION BY customer_id ORDER BY period) ELSE 0 END AS revenue_before
       $days_before $later
FROM sums
