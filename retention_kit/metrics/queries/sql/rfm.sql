-- Recency, frequency and money by customer: orders of one day are one occasion, the first is no repeat.
WITH days AS (
    SELECT customer_id, day, CAST(SUM(amount) AS BIGINT) AS amount
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL AND day < $as_of
    GROUP BY customer_id, day
),
lives AS (
    SELECT customer_id, COUNT(*) AS days, MIN(day) AS first_day, MAX(day) AS last_day, SUM(amount) AS amount
    FROM days
    GROUP BY customer_id
)
SELECT lives.customer_id, lives.days - 1 AS frequency, date_diff('day', first_day, last_day) AS recency_days,
       date_diff('day', first_day, $as_of) - 1 AS age_days, lives.amount - days.amount AS repeat_amount
FROM lives
JOIN days ON days.customer_id = lives.customer_id AND days.day = lives.first_day
ORDER BY lives.customer_id
