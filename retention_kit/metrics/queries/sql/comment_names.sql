-- Which of some texts say who somebody is.
WITH named AS (
    SELECT CAST($column AS VARCHAR) AS name FROM $relation WHERE $column IS NOT NULL
)
SELECT DISTINCT said FROM comment_texts
WHERE said IN (SELECT name FROM named) OR said IN (SELECT lower(name) FROM named)
ORDER BY said
