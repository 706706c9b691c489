-- Customers whose last answer to a survey has a matching score and was given from $first on.
WITH last_answers AS (
    SELECT customer_id, responded_at, score,
           row_number() OVER (PARTITION BY customer_id ORDER BY responded_at DESC, _row DESC) AS place_from_last
    FROM responses
    WHERE survey = $survey AND customer_id IS NOT NULL
),
happened AS (
    SELECT customer_id, responded_at AS happened_at, score AS said_score FROM last_answers
    WHERE place_from_last = 1 AND responded_at >= $first AND score $comparison
)
$found
