-- By whether they paid at the time of the invitation.
, paying AS (
    SELECT DISTINCT recipients.customer_id
    FROM recipients
    JOIN subscriptions ON subscriptions.customer_id = recipients.customer_id
    WHERE mrr > 0 AND CAST(paid_from AS DATE) <= asked_on AND (paid_until IS NULL OR CAST(paid_until AS DATE) > asked_on)
)
SELECT 'paying' AS about, CASE WHEN paying.customer_id IS NULL THEN 'not_paying' ELSE 'paying' END AS value,
       CAST(COUNT(*) AS BIGINT) AS invited, CAST(SUM(is_answered) AS BIGINT) AS answered
FROM recipients LEFT JOIN paying ON paying.customer_id = recipients.customer_id
GROUP BY 2 ORDER BY 2
