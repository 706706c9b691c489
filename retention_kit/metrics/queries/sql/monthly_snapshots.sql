-- Twelve snapshots of customers, at each month's end up to that of $month: what customers paid then, who could leave
-- between two snapshots and who did. A run [from_period, until_period) is in every snapshot that it covers.
WITH seen AS (
    SELECT customer_id, mrr, least(until_period, $month + 1) - greatest(from_period, $month - 11) AS snapshots,
           0 AS exposed, 0 AS lost
    FROM levels WHERE mrr > 0 AND from_period <= $month AND until_period > $month - 11
    UNION ALL
    SELECT customer_id, 0, 0, least(until_period, $month) - greatest(from_period, $month - 12),
           CASE WHEN until_period <= $month THEN 1 ELSE 0 END
    FROM $members AS members WHERE from_period < $month AND until_period > $month - 12
)
SELECT coalesce(v.value, $missing) AS segment_value, CAST(SUM(exposed) AS BIGINT) AS exposed,
       CAST(SUM(lost) AS BIGINT) AS lost,
       CAST(SUM(CAST(mrr AS DECIMAL(19, 0)) * snapshots) AS VARCHAR) AS revenue,
       CAST(SUM(snapshots) AS BIGINT) AS purchases,
       CAST(SUM(CAST(mrr AS DECIMAL(19, 0)) * mrr * snapshots) AS VARCHAR) AS revenue_squared
FROM seen
LEFT JOIN $values v ON v.customer_id = seen.customer_id AND v.from_period <= $month AND v.until_period > $month
GROUP BY 1
ORDER BY 1
