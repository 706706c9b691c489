-- Purchases of each period: identified customers once each, then guests, then refunds that name no order. Who bought in the
-- period right before too (stayed) is told with what they bought then, as changes are paired by customer.
WITH lives AS (
    SELECT *, CASE WHEN $returning THEN 1 ELSE 0 END AS is_returning, CASE WHEN $repeat >= 2 THEN 1 ELSE 0 END AS is_repeat,
           CASE WHEN previous_period = period - 1 THEN 1 ELSE 0 END AS is_both,
           CASE WHEN ${repeat}_before >= 2 THEN 1 ELSE 0 END AS was_repeat,
           CASE WHEN previous_period = period - 1 AND $returned THEN 1 ELSE 0 END AS was_returning,
           CAST(revenue AS DECIMAL(19, 0)) AS wide, CAST(purchases AS DECIMAL(19, 0)) AS wide_purchases,
           CAST(revenue_before AS DECIMAL(19, 0)) AS wide_before, CAST(purchases_before AS DECIMAL(19, 0)) AS wide_purchases_before
    FROM bought
),
moves AS (
    SELECT customer_id, CAST(NULL AS VARCHAR) AS own_value, period, 1 AS buyers, purchases,
           is_repeat AS repeat_buyers, is_returning AS returning_buyers,
           revenue AS customer_revenue, 0 AS guest_revenue, 0 AS refunds, 0 AS guest_purchases, 0 AS refund_count,
           wide_purchases * wide_purchases AS purchases_squared, wide * wide AS revenue_squared,
           wide * wide_purchases AS revenue_purchases,
           is_both AS stayed, wide_purchases * wide_purchases_before AS purchases_crossed,
           purchases * is_both AS purchases_both, purchases_before,
           wide * wide_before AS revenue_crossed, revenue * is_both AS revenue_both, revenue_before,
           wide * wide_purchases_before AS revenue_purchases_before, wide_purchases * wide_before AS purchases_revenue_before,
           is_repeat * was_repeat AS repeat_crossed, is_repeat * is_both AS repeat_both, was_repeat AS repeat_before,
           was_returning AS returning_before
    FROM lives
    UNION ALL
    SELECT NULL, $own_value, $order_period, 0, 0, 0, 0, 0, amount, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM orders
    WHERE is_purchase AND customer_id IS NULL
    UNION ALL
    SELECT customer_id, $own_value, $order_period, 0, 0, 0, 0, 0, 0, refund, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM orders
    WHERE refund > 0
)
