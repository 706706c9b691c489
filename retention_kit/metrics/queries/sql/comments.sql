-- The last comment of each customer to each survey within a window, and all anonymous ones. If there are too many, a
-- sample that is evenly spread over time.
WITH written AS (
    SELECT survey, $group AS answer_group, comment, responded_at, customer_id,
           row_number() OVER (PARTITION BY survey, customer_id ORDER BY responded_at DESC, _row DESC) AS own_place
    FROM responses
    WHERE comment IS NOT NULL AND day >= $begins AND day < $ends
),
counted AS (
    SELECT survey, answer_group, comment,
           CAST(row_number() OVER (PARTITION BY survey ORDER BY responded_at DESC, answer_group, comment) AS BIGINT) AS place,
           CAST(COUNT(*) OVER (PARTITION BY survey) AS BIGINT) AS written
    FROM written WHERE customer_id IS NULL OR own_place = 1
)
SELECT survey, answer_group, comment, written FROM counted
WHERE written <= $most OR (place * $most) % written < $most
ORDER BY survey, place
