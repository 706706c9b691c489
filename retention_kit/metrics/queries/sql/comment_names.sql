-- Those of the texts that identify customers.
WITH named AS (
    SELECT CAST($column AS VARCHAR) AS name FROM $relation WHERE $column IS NOT NULL
)
SELECT DISTINCT spelling FROM comment_texts
WHERE spelling IN (SELECT name FROM named) OR spelling IN (SELECT lower(name) FROM named)
ORDER BY spelling
