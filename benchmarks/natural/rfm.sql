-- Recency, frequency and money by customer: orders of one day are one occasion, the first of them is no repeat.
WITH days AS (
    SELECT customer_id, CAST(ordered_at AS DATE) AS day, SUM(amount) AS amount
    FROM orders
    WHERE customer_id IS NOT NULL
    GROUP BY ALL
),
lives AS (
    SELECT *, MIN(day) OVER (PARTITION BY customer_id) AS first_day FROM days
)
SELECT customer_id, COUNT(*) - 1 AS frequency, date_diff('day', MIN(day), MAX(day)) AS recency,
       date_diff('day', MIN(day), DATE '$as_of') - 1 AS T, coalesce(AVG(amount) FILTER (day > first_day), 0) AS monetary
FROM lives
GROUP BY customer_id
