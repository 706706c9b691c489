-- What customers bought in the twelve months up to each period's end, and whether in the twelve months before those. What
-- is bought enters with its period, leaves when the twelve months have moved on, and is forgotten twelve months later.
-- Where a sum changes by an amount, its square changes by that amount times (the sum after + the sum before).
WITH held AS (
    $held
),
moves AS (
    SELECT customer_id, period AS from_period, $end AS until_period, 0 AS buyers, purchases, revenue, 0 AS exposed, 0 AS lost,
           CAST(revenue AS DECIMAL(19, 0)) * CAST(after_and_before AS DECIMAL(19, 0)) AS revenue_squared
    FROM held
    UNION ALL
    SELECT customer_id, enters, least(leaves, coalesce(next_enters, leaves)), 1, 0, 0, 0, 0, 0 FROM $windows AS windows
    UNION ALL
    SELECT customer_id, leaves, least(forgotten, coalesce(next_leaves, forgotten)), 0, 0, 0, 1, 0, 0
    FROM $windows AS windows WHERE leaves < $end
    UNION ALL
    SELECT customer_id, leaves, least(forgotten, coalesce(next_enters, forgotten)), 0, 0, 0, 0, 1, 0
    FROM $windows AS windows WHERE leaves < $end AND (next_enters IS NULL OR next_enters > leaves)
)
