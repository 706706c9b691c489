-- Whether customers who answered bought again within some time: the first answer of each to a survey, within twelve
-- months after a purchase.
WITH days AS (
    SELECT DISTINCT customer_id, day FROM orders WHERE is_purchase AND customer_id IS NOT NULL
),
recent AS (
    SELECT responses._row, responses.customer_id, survey, score, high, responded_at,
           CAST(responded_at AS DATE) AS day, MAX(days.day) AS last_day
    FROM responses
    JOIN days ON days.customer_id = responses.customer_id AND days.day <= CAST(responded_at AS DATE)
    WHERE CAST(responded_at AS DATE) >= $begins AND CAST(responded_at AS DATE) < $ends
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
answered AS (
    SELECT *, row_number() OVER (PARTITION BY survey, customer_id ORDER BY responded_at, _row) AS place
    FROM recent WHERE date_diff('day', last_day, day) <= 365
),
kept AS (
    SELECT DISTINCT answered._row FROM answered
    JOIN days ON days.customer_id = answered.customer_id AND days.day > answered.day AND days.day <= $later
    WHERE place = 1
)
SELECT survey, score, high, CAST(COUNT(*) AS BIGINT) AS customers, CAST(COUNT(kept._row) AS BIGINT) AS kept
FROM answered LEFT JOIN kept ON kept._row = answered._row
WHERE place = 1 GROUP BY survey, score, high
UNION ALL
SELECT '', 0, 0, CAST(COUNT(DISTINCT customer_id) AS BIGINT), 0 FROM days WHERE day >= $earliest AND day < $ends
ORDER BY 1, 2, 3
