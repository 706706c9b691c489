-- By whether they paid when they were asked.
, paying AS (
    SELECT DISTINCT asked.customer_id
    FROM asked
    JOIN subscriptions ON subscriptions.customer_id = asked.customer_id
    WHERE mrr > 0 AND CAST(paid_from AS DATE) <= asked_on AND (paid_until IS NULL OR CAST(paid_until AS DATE) > asked_on)
)
SELECT 'paying' AS about, CASE WHEN paying.customer_id IS NULL THEN 'not_paying' ELSE 'paying' END AS value,
       CAST(COUNT(*) AS BIGINT) AS invited, CAST(SUM(is_answered) AS BIGINT) AS answered
FROM asked LEFT JOIN paying ON paying.customer_id = asked.customer_id
GROUP BY 2 ORDER BY 2
