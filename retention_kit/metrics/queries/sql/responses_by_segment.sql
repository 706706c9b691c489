-- By the value that they had in the period of the last day to answer on.
SELECT coalesce(v.value, $missing) AS value, CAST(COUNT(*) AS BIGINT) AS invited,
       CAST(SUM(asked.is_answered) AS BIGINT) AS answered
FROM asked
LEFT JOIN $values v ON v.customer_id = asked.customer_id
    AND v.from_period <= $period AND v.until_period > $period
GROUP BY 1 ORDER BY 1
