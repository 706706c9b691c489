-- How answers spread over their scale, by weight.
moves AS (
    SELECT customer_id, own_value, period, weight AS answers,
           survey || ' ' || CAST(score AS VARCHAR) || ' ' || CAST(high AS VARCHAR) AS answer
    FROM answers
)
