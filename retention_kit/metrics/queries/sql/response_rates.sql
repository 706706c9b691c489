-- Invited customers whose time to answer ended in the period, and those who answered; an anonymous invitation counts
-- as one.
WITH recipients AS (
    SELECT $period AS period, customer_id, MAX(is_answered) AS is_answered
    FROM invitations WHERE is_over AND day >= $begins
    GROUP BY 1, customer_id, CASE WHEN customer_id IS NULL THEN _row END
)
SELECT period, CAST(COUNT(*) AS BIGINT) AS invited, CAST(SUM(is_answered) AS BIGINT) AS answered
FROM recipients GROUP BY period ORDER BY period
