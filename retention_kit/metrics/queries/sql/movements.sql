-- Customer movements: a state counts in every period of its run, a move in the period in which it happens.
-- Retained is who was one at the start and does not cease to be one. First active here and no customer at the end: left as
-- soon as come (early_churned).
WITH moves AS (
    SELECT customer_id, from_period, until_period, 0 AS start, 0 AS new, 0 AS reactivated, 0 AS lost, 0 AS retained,
           1 AS "end", 0 AS active, 0 AS early_churned
    FROM $members AS members
    UNION ALL
    SELECT customer_id, from_period + 1, until_period + 1, 1, 0, 0, 0, 1, 0, 0, 0 FROM $members AS members
    UNION ALL
    SELECT customer_id, until_period, until_period + 1, 0, 0, 0, 0, -1, 0, 0, 0 FROM $members AS members WHERE ends
    UNION ALL
    SELECT customer_id, period, period + 1, 0, CASE WHEN kind = 'new' THEN 1 ELSE 0 END,
           CASE WHEN kind = 'reactivated' THEN 1 ELSE 0 END, CASE WHEN kind = 'lost' THEN 1 ELSE 0 END, 0, 0, 0, 0
    FROM $turns AS turns
    UNION ALL
    SELECT customer_id, from_period, until_period, 0, 0, 0, 0, 0, 0, 1, 0 FROM $active AS active
    UNION ALL
    SELECT customer_id, from_period, from_period + 1, 0, 0, 0, 0, 0, 0, 0, 1
    FROM $active AS active WHERE from_period = first_period
    UNION ALL
    SELECT customer_id, from_period, from_period + 1, 0, 0, 0, 0, 0, 0, 0, -1
    FROM $members AS members WHERE from_period = first_period
)
