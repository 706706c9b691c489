-- Customer movements: a state counts in every period of its run, a change in its own period. Retained: customers at
-- the start who do not cease to be ones. Early churned: first active in the period, and no customers at its end. Again:
-- of customers at the start of the period before, too, who had the same segment value then (looks_back).
WITH moves AS (
    SELECT $customer from_period, until_period, 0 AS looks_back, $at_end_columns FROM $members AS members $by_span
    UNION ALL
    SELECT $customer from_period + 1, until_period + 1, 0, $at_start_columns FROM $members AS members $by_span
    UNION ALL
    SELECT $customer from_period + CASE WHEN begins THEN 2 ELSE 1 END, until_period + 1, 1, $at_start_again_columns
    FROM $members AS members WHERE until_period > from_period + CASE WHEN begins THEN 1 ELSE 0 END $by_span
    UNION ALL
    SELECT $customer until_period, until_period + 1, 0, $ending_columns FROM $members AS members WHERE ends $by_span
    UNION ALL
    SELECT $customer until_period, until_period + 1, 1, $ending_again_columns FROM $members AS members
    WHERE ends AND until_period > from_period + CASE WHEN begins THEN 1 ELSE 0 END $by_span
    UNION ALL
    SELECT $customer period, period + 1, 0, $changes_columns FROM $membership_changes AS membership_changes $by_span
    UNION ALL
    SELECT $customer from_period, until_period, 0, $active_columns FROM $active AS active $by_span
    UNION ALL
    SELECT $customer from_period, from_period + 1, 0, $first_active_columns
    FROM $active AS active WHERE from_period = first_period $by_span
    UNION ALL
    SELECT $customer from_period, from_period + 1, 0, $first_at_end_columns
    FROM $members AS members WHERE from_period = first_period $by_span
)
