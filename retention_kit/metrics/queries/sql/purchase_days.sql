-- Days with a purchase before $ends by customer: orders of one day are one purchase, the first is no repeat.
WITH bought AS (
    SELECT customer_id, day, CAST(SUM(amount) AS BIGINT) AS amount
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL AND day < $ends
    GROUP BY customer_id, day
),
sums AS (
    SELECT customer_id, CAST(COUNT(*) - 1 AS INTEGER) AS frequency, MIN(day) AS first_day, MAX(day) AS last_day,
           CAST(SUM(amount) AS BIGINT) AS amount
    FROM bought
    GROUP BY customer_id
)
