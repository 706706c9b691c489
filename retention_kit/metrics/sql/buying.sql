-- Who bought in which periods: periods without a gap become one run, [from_period, until_period).
CREATE OR REPLACE TEMP TABLE activity AS
WITH bought AS (
    SELECT DISTINCT customer_id, $order_period AS period FROM orders WHERE is_purchase AND customer_id IS NOT NULL
),
numbered AS (
    SELECT customer_id, period, period - row_number() OVER (PARTITION BY customer_id ORDER BY period) AS run FROM bought
)
SELECT customer_id, MIN(period) AS from_period, MAX(period) + 1 AS until_period
FROM numbered
GROUP BY customer_id, run
