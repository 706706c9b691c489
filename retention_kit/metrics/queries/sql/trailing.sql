-- What customers bought in the twelve months up to each period's end, and whether in the twelve months before those.
-- What is bought enters with its period, leaves when the twelve months have moved on, and is forgotten twelve months
-- later. Where a sum changes by an amount, its square changes by that amount times (the sum after + the sum before).
WITH held AS (
    $held
),
moves AS (
    SELECT $customer period AS from_period, $end AS until_period, $held_columns FROM held $by_span
    UNION ALL
    SELECT $customer enters, least(leaves, coalesce(next_enters, leaves)), $bought_columns
    FROM $windows AS windows $by_span
    UNION ALL
    SELECT $customer leaves, least(forgotten, coalesce(next_leaves, forgotten)), $could_be_lost_columns
    FROM $windows AS windows WHERE leaves < $end $by_span
    UNION ALL
    SELECT $customer leaves, least(forgotten, coalesce(next_enters, forgotten)), $was_lost_columns
    FROM $windows AS windows WHERE leaves < $end AND (next_enters IS NULL OR next_enters > leaves) $by_span
)
