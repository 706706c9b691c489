-- Customers by their value group at the ends of two periods, and what they spent in the twelve months up to each. Orders
-- of one day are one occasion. 0: no purchase in those twelve months.
WITH bought AS (
    SELECT 1 AS is_now, customer_id, day, amount FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL AND day >= $begins AND day < $ends
    UNION ALL
    SELECT 0, customer_id, day, amount FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL AND day >= $earlier AND day < $starts
),
spent AS (
    SELECT is_now, customer_id, MAX(day) AS last_day, COUNT(DISTINCT day) AS days, CAST(SUM(amount) AS BIGINT) AS amount
    FROM bought
    GROUP BY is_now, customer_id
),
fifths AS (
    SELECT is_now, customer_id, amount,
           1 + CAST(floor((rank() OVER (PARTITION BY is_now ORDER BY last_day) - 1) * 5.0
                          / COUNT(*) OVER (PARTITION BY is_now)) AS INTEGER) AS recency,
           1 + CAST(floor((rank() OVER (PARTITION BY is_now ORDER BY days) - 1) * 5.0
                          / COUNT(*) OVER (PARTITION BY is_now)) AS INTEGER) AS frequency,
           1 + CAST(floor((rank() OVER (PARTITION BY is_now ORDER BY amount) - 1) * 5.0
                          / COUNT(*) OVER (PARTITION BY is_now)) AS INTEGER) AS money
    FROM spent
),
scored AS (
    SELECT is_now, customer_id, amount, recency, CAST(floor((frequency + money + 1) / 2.0) AS INTEGER) AS worth
    FROM fifths
),
placed AS (
    SELECT customer_id,
           MAX(CASE WHEN is_now = 0 THEN $place ELSE 0 END) AS place_before,
           MAX(CASE WHEN is_now = 1 THEN $place ELSE 0 END) AS place,
           SUM(CASE WHEN is_now = 0 THEN amount ELSE 0 END) AS revenue_before,
           SUM(CASE WHEN is_now = 1 THEN amount ELSE 0 END) AS revenue
    FROM scored
    GROUP BY customer_id
)
SELECT place_before, place, COUNT(*) AS customers, CAST(SUM(revenue_before) AS BIGINT) AS revenue_before,
       CAST(SUM(revenue) AS BIGINT) AS revenue
FROM placed
GROUP BY place_before, place
ORDER BY place_before, place
