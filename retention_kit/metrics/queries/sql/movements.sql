-- Customer movements: a state counts in every period of its run, a move in the period in which it happens. Retained is
-- who was one at the start and does not cease to be one. First active here and no customer at the end: left as soon as
-- come (early_churned).
WITH moves AS (
    SELECT customer_id, from_period, until_period, $at_end_columns FROM $members AS members
    UNION ALL
    SELECT customer_id, from_period + 1, until_period + 1,
           $at_start_columns FROM $members AS members
    UNION ALL
    SELECT customer_id, until_period, until_period + 1, $ending_columns FROM $members AS members
    WHERE ends
    UNION ALL
    SELECT customer_id, period, period + 1, $changes_columns FROM $membership_changes AS membership_changes
    UNION ALL
    SELECT customer_id, from_period, until_period, $active_columns FROM $active AS active
    UNION ALL
    SELECT customer_id, from_period, from_period + 1, $first_active_columns
    FROM $active AS active WHERE from_period = first_period
    UNION ALL
    SELECT customer_id, from_period, from_period + 1, $first_at_end_columns
    FROM $members AS members WHERE from_period = first_period
)
