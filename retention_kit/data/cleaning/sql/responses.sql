-- name: responses
CREATE TABLE responses AS
SELECT customer_id, responded_at, CAST(responded_at AS DATE) AS day, _row, survey, CAST(score AS INTEGER) AS score,
       scale, high, CASE WHEN is_weighted THEN weight ELSE 1.0 END AS weight, is_weighted, comment $usable_extras
FROM responses_typed AS usable
WHERE problem IS NULL AND responded_at < $as_of;
