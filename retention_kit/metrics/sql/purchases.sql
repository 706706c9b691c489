-- Purchases of each period: identified customers once each, then guests, then refunds that name no order.
WITH lives AS (
    SELECT *, $returning AS is_returning, CAST(revenue AS DECIMAL(19, 0)) AS wide,
           CAST(purchases AS DECIMAL(19, 0)) AS wide_purchases
    FROM bought
),
moves AS (
    SELECT customer_id, CAST(NULL AS VARCHAR) AS own_value, period, 1 AS buyers, purchases,
           CASE WHEN $repeat >= 2 THEN 1 ELSE 0 END AS repeat_buyers, CASE WHEN is_returning THEN 1 ELSE 0 END AS returning_buyers,
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
