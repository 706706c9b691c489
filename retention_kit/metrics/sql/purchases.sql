-- Purchases of each period: identified customers once each, then guests, then refunds that name no order.
WITH per_customer AS (
    SELECT customer_id, $order_period AS period, COUNT(*) AS purchases, COUNT(DISTINCT day) AS days,
           CAST(SUM(amount) AS BIGINT) AS revenue
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL
    GROUP BY 1, 2
),
lives AS (
    SELECT *, MIN(period) OVER (PARTITION BY customer_id) AS first_period,
           SUM(purchases) OVER (PARTITION BY customer_id ORDER BY period) AS purchases_so_far,
           CAST(revenue AS DECIMAL(19, 0)) AS wide, CAST(purchases AS DECIMAL(19, 0)) AS wide_purchases
    FROM per_customer
),
moves AS (
    SELECT customer_id, CAST(NULL AS VARCHAR) AS own_value, period, 1 AS buyers, purchases,
           CASE WHEN $repeat >= 2 THEN 1 ELSE 0 END AS repeat_buyers, CASE WHEN $returning THEN 1 ELSE 0 END AS returning_buyers,
           revenue AS customer_revenue, 0 AS guest_revenue, 0 AS refunds, 0 AS guest_purchases, 0 AS refund_count,
           wide_purchases * wide_purchases AS purchases_squared, wide * wide AS revenue_squared,
           wide * wide_purchases AS revenue_purchases
    FROM lives
    UNION ALL
    SELECT NULL, $own_value, $order_period, 0, 0, 0, 0, 0, amount, 0, 1, 0, 0, 0, 0
    FROM orders
    WHERE is_purchase AND customer_id IS NULL
    UNION ALL
    SELECT customer_id, $own_value, $order_period, 0, 0, 0, 0, 0, 0, refund, 0, 1, 0, 0, 0
    FROM orders
    WHERE refund > 0
)
