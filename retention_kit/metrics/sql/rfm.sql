-- Recency, frequency and money by customer: orders of one day are one occasion, the first is no repeat.
WITH days AS (
    SELECT customer_id, day, SUM(amount) AS amount,
           MIN(day) OVER (PARTITION BY customer_id) AS first_day
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL AND day < $as_of
    GROUP BY customer_id, day
)
SELECT customer_id, COUNT(*) - 1 AS frequency, date_diff('day', MIN(day), MAX(day)) AS recency_days,
       date_diff('day', MIN(day), $as_of) - 1 AS age_days,
       SUM(CASE WHEN day > first_day THEN amount ELSE 0 END) AS repeat_amount
FROM days
GROUP BY customer_id
ORDER BY customer_id
