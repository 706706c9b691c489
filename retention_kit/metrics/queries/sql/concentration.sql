-- The revenue of each percentile of customers in a year, the largest first.
WITH spent AS (
    SELECT customer_id, SUM(amount) AS amount
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL AND day >= $begins AND day < $ends
    GROUP BY customer_id
),
placed AS (
    SELECT amount,
           CAST(floor((row_number() OVER (ORDER BY amount DESC, customer_id) - 1) * 100.0 / COUNT(*) OVER ())
                AS INTEGER) AS place
    FROM spent
)
SELECT place, COUNT(*) AS customers, CAST(SUM(amount) AS BIGINT) AS revenue,
       MIN(amount) AS lowest, MAX(amount) AS highest
FROM placed
GROUP BY place
ORDER BY place
