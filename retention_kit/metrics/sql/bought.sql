-- What each customer bought in each period, with their first such period, the one before and the next.
CREATE OR REPLACE TEMP TABLE bought AS
WITH sums AS (
    SELECT customer_id, $order_period AS period, CAST(COUNT(*) AS INTEGER) AS purchases, CAST($days AS INTEGER) AS days,
           CAST(SUM(amount) AS BIGINT) AS revenue
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL
    GROUP BY 1, 2
)
SELECT customer_id, period, purchases, days, revenue,
       MIN(period) OVER (PARTITION BY customer_id ORDER BY period) AS first_period,
       lag(period) OVER (PARTITION BY customer_id ORDER BY period) AS previous_period,
       lead(period) OVER (PARTITION BY customer_id ORDER BY period) AS next_period $years
FROM sums
