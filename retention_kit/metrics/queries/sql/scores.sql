-- The distribution of answers over their scale, by weight.
moves AS (
    SELECT customer_id, own_value, period, $rows_columns,
           survey || ' ' || CAST(score AS VARCHAR) || ' ' || CAST(high AS VARCHAR) AS answer
    FROM answers
)
