-- Customers new, reactivated or lost in a period: a row for each change, with the last purchase before the period's
-- end and the amount spent in the twelve months up to it.
WITH dated AS (
    SELECT customer_id, day, amount, MAX(day) OVER (PARTITION BY customer_id) AS last_purchase
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL AND day < $ends
),
spent AS (
    SELECT customer_id, last_purchase, CAST(SUM(amount) AS BIGINT) AS spent
    FROM dated WHERE day > last_purchase - INTERVAL 12 MONTH
    GROUP BY customer_id, last_purchase
)
SELECT moved.kind, moved.customer_id, CAST(spent.last_purchase AS VARCHAR) AS last_purchase,
       spent.spent AS revenue_12_months, coalesce(v.value, $missing) AS segment_value
FROM membership_changes AS moved
JOIN spent ON spent.customer_id = moved.customer_id
LEFT JOIN $values v ON v.customer_id = moved.customer_id AND v.from_period <= $period AND v.until_period > $period
WHERE moved.period = $period
ORDER BY moved.kind, spent.spent DESC, moved.customer_id
