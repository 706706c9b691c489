-- What customers bought in the twelve months up to each period's end, and whether in the twelve months before those. A day
-- enters with its period, leaves when the twelve months have moved on, and is forgotten twelve months later.
WITH bought AS (
    SELECT customer_id, enters, leaves, forgotten, COUNT(*) AS purchases, CAST(SUM(amount) AS BIGINT) AS revenue
    FROM orders JOIN trailing_days ON trailing_days.day = orders.day
    WHERE is_purchase AND customer_id IS NOT NULL
    GROUP BY customer_id, enters, leaves, forgotten
),
events AS (
    SELECT customer_id, enters AS period, purchases, revenue, 0 AS before FROM bought
    UNION ALL
    SELECT customer_id, leaves, -purchases, -revenue, purchases FROM bought WHERE leaves < $end
    UNION ALL
    SELECT customer_id, forgotten, 0, 0, -purchases FROM bought WHERE forgotten < $end
),
held AS (
    SELECT customer_id, period AS from_period, lead(period, 1, $end) OVER (PARTITION BY customer_id ORDER BY period) AS until_period,
           CAST(SUM(purchases) OVER (PARTITION BY customer_id ORDER BY period) AS BIGINT) AS purchases,
           CAST(SUM(revenue) OVER (PARTITION BY customer_id ORDER BY period) AS BIGINT) AS revenue,
           SUM(before) OVER (PARTITION BY customer_id ORDER BY period) > 0 AS is_exposed
    FROM events
),
moves AS (
    SELECT customer_id, from_period, until_period, CASE WHEN purchases > 0 THEN 1 ELSE 0 END AS buyers, purchases, revenue,
           CASE WHEN is_exposed THEN 1 ELSE 0 END AS exposed, CASE WHEN is_exposed AND purchases = 0 THEN 1 ELSE 0 END AS lost,
           CAST(revenue AS DECIMAL(19, 0)) * CAST(revenue AS DECIMAL(19, 0)) AS revenue_squared
    FROM held
    WHERE until_period > from_period AND (is_exposed OR purchases > 0)
)
