-- Customers by their value group at the ends of two periods, and what they spent in the twelve months up to each. Orders
-- of one day are one occasion. 0: no purchase in those twelve months.
WITH days AS (
    SELECT customer_id, day, amount FROM purchase_history WHERE day >= $earlier AND day < $ends
),
spent AS (
    SELECT 1 AS is_now, customer_id, date_diff('day', $earlier, MAX(day)) AS last_day, COUNT(*) AS days,
           CAST(SUM(amount) AS BIGINT) AS amount
    FROM days
    WHERE day >= $begins
    GROUP BY customer_id
    UNION ALL
    SELECT 0, customer_id, date_diff('day', $earlier, MAX(day)), COUNT(*), CAST(SUM(amount) AS BIGINT)
    FROM days
    WHERE day < $starts
    GROUP BY customer_id
),
-- How many have each value: ranks follow from these, and they are far fewer than customers to sort.
counted AS (
    SELECT is_now, 'recency' AS kind, CAST(last_day AS BIGINT) AS value, COUNT(*) AS n FROM spent GROUP BY 1, 3
    UNION ALL
    SELECT is_now, 'frequency', days, COUNT(*) FROM spent GROUP BY 1, 3
    UNION ALL
    SELECT is_now, 'money', amount, COUNT(*) FROM spent GROUP BY 1, 3
),
fifths AS (
    SELECT is_now, kind, value,
           1 + CAST(floor((CAST(SUM(n) OVER (PARTITION BY is_now, kind ORDER BY value) AS BIGINT) - n) * 5.0
                          / CAST(SUM(n) OVER (PARTITION BY is_now, kind) AS BIGINT)) AS INTEGER) AS fifth
    FROM counted
),
scored AS (
    SELECT spent.is_now, customer_id, amount, lately.fifth AS recency,
           CAST(floor((often.fifth + much.fifth + 1) / 2.0) AS INTEGER) AS worth
    FROM spent
    JOIN fifths AS lately ON lately.kind = 'recency' AND lately.is_now = spent.is_now AND lately.value = last_day
    JOIN fifths AS often ON often.kind = 'frequency' AND often.is_now = spent.is_now AND often.value = days
    JOIN fifths AS much ON much.kind = 'money' AND much.is_now = spent.is_now AND much.value = amount
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
