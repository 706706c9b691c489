-- Purchases of each period: identified customers once each, then guests, then refunds that name no order.
WITH per_customer AS (
    SELECT customer_id, $order_period AS period, COUNT(*) AS purchases, COUNT(DISTINCT day) AS days, SUM(amount) AS revenue
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL
    GROUP BY 1, 2
),
moves AS (
    SELECT customer_id, CAST(NULL AS VARCHAR) AS own_value, period, 1 AS buyers, purchases,
           CASE WHEN $repeat >= 2 THEN 1 ELSE 0 END AS repeat_buyers, revenue AS customer_revenue, 0 AS guest_revenue,
           0 AS refunds, 0 AS guest_purchases
    FROM per_customer
    UNION ALL
    SELECT NULL, $own_value, $order_period, 0, 0, 0, 0, amount, 0, 1
    FROM orders
    WHERE is_purchase AND customer_id IS NULL
    UNION ALL
    SELECT customer_id, $own_value, $order_period, 0, 0, 0, 0, 0, refund, 0
    FROM orders
    WHERE refund > 0
)
