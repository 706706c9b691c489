-- name: responses_typed
-- Responses: typed answers, judged (`problem`); codes outside the scale are excluded, never clamped.

CREATE TABLE responses_typed AS
WITH typed AS (
    SELECT _row, _ambiguous, _nonexistent, $responded_at AS responded_at, $responded_at_outside AS outside, lower($survey) AS survey, $score AS score, $score_text IS NULL AS unanswered,
           regexp_matches(lower($score_text), '^(good|bad)([ ,(][^0-9]*)?$$') AS is_word,
           $customer_id AS customer_id, $response_id AS response_id, $weight AS weight, $weight_given AS weight_given, $scale AS scale, $comment AS comment, _source $file $raw_extras $raw_rest
    FROM responses_raw
),
scaled AS (
    SELECT *, bool_or(weight_given) OVER (PARTITION BY _source, survey) AS is_weighted,
           row_number() OVER (PARTITION BY responded_at, survey, score, customer_id, weight, scale $extras $rest
                              ORDER BY _row) AS same_row,
           $same_response AS same_response
    FROM typed
),
bounded AS (
    SELECT *, $low AS low, $high AS high FROM scaled
)
SELECT _row, _ambiguous, _nonexistent, responded_at, survey, score, customer_id, response_id, weight, comment, _source $file $extras, scale, is_weighted, low, high,
       CASE WHEN survey IS NULL OR survey NOT IN ('nps', 'csat', 'ces') THEN 'unknown survey'
            WHEN outside THEN 'date outside 1970-2100'
            WHEN responded_at IS NULL THEN 'unreadable date'
            WHEN unanswered THEN 'no answer'
            WHEN score IS NULL THEN 'unreadable score'
            WHEN scale NOT IN ($scales) OR (survey = 'nps' AND scale <> '0-10')
            THEN 'unknown scale'
            WHEN scale <> 'good/bad' AND is_word THEN 'unreadable score'
            WHEN score < low OR score > high OR score <> floor(score) THEN 'score outside the scale'
            WHEN is_weighted AND NOT coalesce(weight BETWEEN $lightest AND $heaviest, false) THEN 'no weight'
            WHEN response_id IS NOT NULL AND same_response > 1 THEN 'same response_id'
            WHEN customer_id IS NOT NULL AND same_row > 1 THEN 'identical row'
       END AS problem
FROM bounded;
