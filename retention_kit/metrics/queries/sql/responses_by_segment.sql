-- By their value in the period of the last day to answer.
SELECT coalesce(v.value, $missing) AS value, CAST(COUNT(*) AS BIGINT) AS invited,
       CAST(SUM(recipients.is_answered) AS BIGINT) AS answered
FROM recipients
LEFT JOIN $values v ON v.customer_id = recipients.customer_id
    AND v.from_period <= $period AND v.until_period > $period
GROUP BY 1 ORDER BY 1
