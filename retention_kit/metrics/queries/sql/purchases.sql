-- Purchases of each period: identified customers once each, then guests, then refunds that name no order. Customers
-- who bought in the period before, too (stayed), come with that amount as well, since changes are paired by customer; of
-- a segment value those who had it then, too (looks_back).
WITH lives AS (
    SELECT *, CASE WHEN $returning THEN 1 ELSE 0 END AS is_returning,
           CASE WHEN $repeat >= 2 THEN 1 ELSE 0 END AS is_repeat,
           CASE WHEN ${repeat}_before >= 2 THEN 1 ELSE 0 END AS was_repeat,
           CASE WHEN $returned THEN 1 ELSE 0 END AS was_returning,
           CAST(revenue AS DECIMAL(19, 0)) AS wide, CAST(purchases AS DECIMAL(19, 0)) AS wide_purchases,
           CAST(revenue_before AS DECIMAL(19, 0)) AS wide_before,
           CAST(purchases_before AS DECIMAL(19, 0)) AS wide_purchases_before
    FROM purchases_by_period
),
moves AS (
    SELECT customer_id, CAST(NULL AS VARCHAR) AS own_value, period, 0 AS looks_back, $customers_columns FROM lives
    UNION ALL
    SELECT customer_id, NULL, period, 1, $both_columns FROM lives WHERE previous_period = period - 1
    UNION ALL
    SELECT NULL, $own_value, $order_period, 0, $guests_columns FROM orders WHERE is_purchase AND customer_id IS NULL
    UNION ALL
    SELECT customer_id, $own_value, $order_period, 0, $refunds_columns FROM orders WHERE refund > 0
)
