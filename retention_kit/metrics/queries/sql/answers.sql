-- The answers that count in each period: the last one of each customer and survey, and every anonymous one.
WITH placed_answers AS (
    SELECT customer_id, $own_value AS own_value, $response_period AS period, survey, score, high, weight,
           row_number() OVER (PARTITION BY survey, customer_id, $response_period
                              ORDER BY responded_at DESC, _row DESC) AS place
    FROM responses
),
answers AS (
    SELECT * FROM placed_answers WHERE customer_id IS NULL OR place = 1 OR $every_answer
),
