-- Responses: typed answers, judged (`problem`); codes outside the scale are excluded, never clamped.

CREATE TABLE responses_typed AS
WITH typed AS (
    SELECT _row, _ambiguous, _nonexistent, $responded_at AS responded_at, $responded_at_outside AS outside, lower($survey) AS survey, $score AS score, $score_text IS NULL AS unanswered,
           $customer_id AS customer_id, $weight AS weight, $weight_given AS weight_given, $scale AS given_scale, _source $file $raw_extras $raw_rest
    FROM responses_raw
),
scaled AS (
    SELECT *, coalesce(given_scale, CASE survey WHEN 'nps' THEN '0-10' WHEN 'csat' THEN '1-5' ELSE '1-7' END) AS scale,
           bool_or(weight_given) OVER (PARTITION BY _source, survey) AS is_weighted,
           row_number() OVER (PARTITION BY responded_at, survey, score, customer_id, weight, given_scale $extras $rest
                              ORDER BY _row) AS same_row
    FROM typed
),
bounded AS (
    SELECT *, CASE scale WHEN '0-10' THEN 0 ELSE 1 END AS low,
           CASE scale WHEN '1-5' THEN 5 WHEN '1-7' THEN 7 ELSE 10 END AS high
    FROM scaled
)
SELECT _row, _ambiguous, _nonexistent, responded_at, survey, score, customer_id, weight, _source $file $extras, scale, is_weighted, low, high,
       CASE WHEN survey IS NULL OR survey NOT IN ('nps', 'csat', 'ces') THEN 'unknown survey'
            WHEN outside THEN 'date outside 1970-2100'
            WHEN responded_at IS NULL THEN 'unreadable date'
            WHEN unanswered THEN 'no answer'
            WHEN score IS NULL THEN 'unreadable score'
            WHEN scale NOT IN ('0-10', '1-5', '1-7', '1-10') OR (survey = 'nps' AND scale <> '0-10')
            THEN 'unknown scale'
            WHEN score < low OR score > high OR score <> floor(score) THEN 'score outside the scale'
            WHEN is_weighted AND coalesce(weight, 0) <= 0 THEN 'no weight'
            WHEN customer_id IS NOT NULL AND same_row > 1 THEN 'identical row'
       END AS problem
FROM bounded;

CREATE TABLE responses AS
SELECT customer_id, responded_at, CAST(responded_at AS DATE) AS day, _row, survey, CAST(score AS INTEGER) AS score,
       scale, high, CASE WHEN is_weighted THEN weight ELSE 1.0 END AS weight, is_weighted $usable_extras
FROM responses_typed AS usable
WHERE problem IS NULL AND responded_at < $as_of;
