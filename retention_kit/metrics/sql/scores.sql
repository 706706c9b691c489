-- How answers spread over their scale, from the answers that the scores are made of; by weight.
WITH placed_answers AS (
    SELECT customer_id, $own_value AS own_value, $response_period AS period, weight,
           survey || ' ' || CAST(score AS VARCHAR) || ' ' || CAST(high AS VARCHAR) AS answer,
           row_number() OVER (PARTITION BY survey, customer_id, $response_period
                              ORDER BY responded_at DESC, _row DESC) AS place
    FROM responses
),
moves AS (
    SELECT customer_id, own_value, answer, period, weight AS answers
    FROM placed_answers
    WHERE customer_id IS NULL OR place = 1 OR $every_answer
)
