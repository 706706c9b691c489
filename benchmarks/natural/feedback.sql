-- Scores by month: of each customer and survey the last answer counts.
WITH answers AS (
    SELECT CAST(date_trunc('month', responded_at) AS DATE) AS month, survey, score
    FROM responses
    WHERE responded_at >= DATE '$first'
    QUALIFY row_number() OVER (PARTITION BY customer_id, survey, month ORDER BY responded_at DESC) = 1
)
SELECT month,
       100.0 * (COUNT(*) FILTER (survey = 'nps' AND score >= 9) - COUNT(*) FILTER (survey = 'nps' AND score <= 6))
           / COUNT(*) FILTER (survey = 'nps') AS nps,
       COUNT(*) FILTER (survey = 'csat' AND score >= 4) / COUNT(*) FILTER (survey = 'csat') AS csat,
       COUNT(*) FILTER (survey = 'ces' AND score >= 5) / COUNT(*) FILTER (survey = 'ces') AS ces
FROM answers
GROUP BY month
ORDER BY month
