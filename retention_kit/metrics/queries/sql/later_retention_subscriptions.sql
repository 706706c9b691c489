-- Whether customers who answered while they paid still paid some time later: the first answer of each to a survey.
WITH runs AS (
    SELECT DISTINCT customer_id, run_since, run_until FROM paid_stretches
),
answered AS (
    SELECT responses.customer_id, survey, score, high, run_until, CAST(responded_at AS DATE) AS day,
           row_number() OVER (PARTITION BY survey, responses.customer_id ORDER BY responded_at, _row) AS place
    FROM responses
    JOIN runs ON runs.customer_id = responses.customer_id
        AND run_since <= CAST(responded_at AS DATE) AND run_until > CAST(responded_at AS DATE)
    WHERE CAST(responded_at AS DATE) >= $begins AND CAST(responded_at AS DATE) < $ends
)
SELECT survey, score, high, CAST(COUNT(*) AS BIGINT) AS customers,
       CAST(SUM(CASE WHEN run_until >= $later THEN 1 ELSE 0 END) AS BIGINT) AS kept
FROM answered WHERE place = 1 GROUP BY survey, score, high
UNION ALL
SELECT '', 0, 0, CAST(COUNT(DISTINCT customer_id) AS BIGINT), 0
FROM runs WHERE run_since < $ends AND run_until > $begins
ORDER BY 1, 2, 3
