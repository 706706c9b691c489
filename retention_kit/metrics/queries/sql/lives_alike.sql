-- Customers with the same inputs, grouped.
SELECT coalesce(v.value, $missing) AS segment_value, frequency, recency_days, age_days,
       CAST(COUNT(*) AS BIGINT) AS customers, CAST(SUM(repeat_amount) AS BIGINT) AS repeat_amount,
       CAST(SUM(recent_amount) AS BIGINT) AS recent_amount
FROM lives
LEFT JOIN $values v ON v.customer_id = lives.customer_id AND v.from_period <= $period AND v.until_period > $period
GROUP BY coalesce(v.value, $missing), frequency, recency_days, age_days
ORDER BY segment_value, frequency, recency_days, age_days
