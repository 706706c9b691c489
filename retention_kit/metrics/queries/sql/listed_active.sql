-- The customers active in a period: their first period, and what they paid in this one (for subscriptions the MRR at
-- its end).
WITH sums AS (
    SELECT customer_id, CAST(SUM(paid) AS BIGINT) AS amount
    FROM ($paid) AS payments
    WHERE from_period <= $period AND until_period > $period
    GROUP BY customer_id
)
SELECT active.customer_id, active.first_period AS cohort, coalesce(sums.amount, 0) AS paid,
       coalesce(v.value, $missing) AS segment_value
FROM $active AS active
LEFT JOIN sums ON sums.customer_id = active.customer_id
LEFT JOIN $values v ON v.customer_id = active.customer_id AND v.from_period <= $period AND v.until_period > $period
WHERE active.from_period <= $period AND active.until_period > $period
ORDER BY coalesce(sums.amount, 0) DESC, active.customer_id
