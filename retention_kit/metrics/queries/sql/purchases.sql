-- Purchases of each period: identified customers once each, then guests, then refunds that name no order. Customers
-- who bought in the period before, too (stayed), come with that amount, since changes are paired by customer.
WITH lives AS (
    SELECT *, CASE WHEN $returning THEN 1 ELSE 0 END AS is_returning,
           CASE WHEN $repeat >= 2 THEN 1 ELSE 0 END AS is_repeat,
           CASE WHEN previous_period = period - 1 THEN 1 ELSE 0 END AS is_both,
           CASE WHEN ${repeat}_before >= 2 THEN 1 ELSE 0 END AS was_repeat,
           CASE WHEN previous_period = period - 1 AND $returned THEN 1 ELSE 0 END AS was_returning,
           CAST(revenue AS DECIMAL(19, 0)) AS wide, CAST(purchases AS DECIMAL(19, 0)) AS wide_purchases,
           CAST(revenue_before AS DECIMAL(19, 0)) AS wide_before,
           CAST(purchases_before AS DECIMAL(19, 0)) AS wide_purchases_before
    FROM purchases_by_period
),
moves AS (
    SELECT customer_id, CAST(NULL AS VARCHAR) AS own_value, period, $customers_columns FROM lives
    UNION ALL
    SELECT NULL, $own_value, $order_period, $guests_columns FROM orders WHERE is_purchase AND customer_id IS NULL
    UNION ALL
    SELECT customer_id, $own_value, $order_period, $refunds_columns FROM orders WHERE refund > 0
)
