-- Customer movements: a state counts in every period of its run, a move in the period in which it happens.
WITH moves AS (
    SELECT customer_id, from_period, until_period, 0 AS start, 0 AS new, 0 AS reactivated, 0 AS lost, 0 AS retained,
           1 AS "end", 0 AS active
    FROM membership
    UNION ALL
    SELECT customer_id, from_period + 1, until_period + 1, 1, 0, 0, 0, 0, 0, 0 FROM membership
    UNION ALL
    SELECT customer_id, from_period + 1, until_period, 0, 0, 0, 0, 1, 0, 0 FROM membership
    WHERE until_period > from_period + 1
    UNION ALL
    SELECT customer_id, from_period, from_period + 1, 0, CASE WHEN is_first THEN 1 ELSE 0 END,
           CASE WHEN is_first THEN 0 ELSE 1 END, 0, 0, 0, 0
    FROM membership
    UNION ALL
    SELECT customer_id, until_period, until_period + 1, 0, 0, 0, 1, 0, 0, 0 FROM membership
    UNION ALL
    SELECT customer_id, from_period, until_period, 0, 0, 0, 0, 0, 0, 1 FROM activity
)
