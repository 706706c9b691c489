-- Who was active in one period: since which period, and what they paid in it (for subscriptions the MRR at its end).
WITH firsts AS (
    SELECT customer_id, MIN(from_period) AS cohort FROM activity GROUP BY customer_id
),
sums AS (
    SELECT customer_id, CAST(SUM(paid) AS BIGINT) AS amount
    FROM ($paid) AS payments
    WHERE from_period <= $period AND until_period > $period
    GROUP BY customer_id
)
SELECT firsts.customer_id, firsts.cohort, coalesce(sums.amount, 0) AS paid, coalesce(v.value, $missing) AS segment_value
FROM activity
JOIN firsts ON firsts.customer_id = activity.customer_id
LEFT JOIN sums ON sums.customer_id = activity.customer_id
LEFT JOIN $values v ON v.customer_id = activity.customer_id AND v.from_period <= $period AND v.until_period > $period
WHERE activity.from_period <= $period AND activity.until_period > $period
ORDER BY coalesce(sums.amount, 0) DESC, firsts.customer_id
