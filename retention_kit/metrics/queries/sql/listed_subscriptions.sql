-- Customers new, reactivated or lost in a period: a row for each change. For lost ones with the end of payments, the
-- lost MRR and the reason; for others with the start of payments, and the MRR at the period's end.
WITH untils AS (
    SELECT customer_id, $lost_until AS span, MAX(CAST(paid_until AS DATE)) AS day
    FROM subscriptions WHERE mrr > 0 AND paid_until IS NOT NULL GROUP BY 1, 2
),
sinces AS (
    SELECT customer_id, MIN(CAST(paid_from AS DATE)) AS day
    FROM subscriptions WHERE mrr > 0 AND $began = $period GROUP BY customer_id
),
gone AS (
    SELECT customer_id, span, mrr_before, reason FROM $lost_view WHERE $lost_period = $period
),
listed AS (
    SELECT 'lost' AS kind, gone.customer_id, CAST(NULL AS DATE) AS paid_since, untils.day AS paid_until,
           gone.mrr_before AS mrr, gone.reason
    FROM gone
    LEFT JOIN untils ON untils.customer_id = gone.customer_id AND untils.span = gone.span
    UNION ALL
    SELECT moved.kind, moved.customer_id, sinces.day, NULL, coalesce(levels.mrr, 0), NULL
    FROM membership_changes AS moved
    LEFT JOIN sinces ON sinces.customer_id = moved.customer_id
    LEFT JOIN levels ON levels.customer_id = moved.customer_id
        AND levels.from_period <= $period AND levels.until_period > $period
    WHERE moved.period = $period AND moved.kind <> 'lost'
)
SELECT kind, listed.customer_id, CAST(paid_since AS VARCHAR) AS paid_since, CAST(paid_until AS VARCHAR) AS paid_until,
       mrr, reason, coalesce(v.value, $missing) AS segment_value
FROM listed
LEFT JOIN $values v ON v.customer_id = listed.customer_id AND v.from_period <= $period AND v.until_period > $period
ORDER BY kind, mrr DESC, listed.customer_id, paid_until
