-- The last invitation of each customer whose time to answer ended within a window.
WITH placed_invitations AS (
    SELECT customer_id, asked_on, day, is_answered,
           row_number() OVER (PARTITION BY customer_id ORDER BY asked_on DESC, _row DESC) AS place
    FROM invitations WHERE is_over AND customer_id IS NOT NULL AND day >= $begins AND day < $ends
),
recipients AS (
    SELECT customer_id, asked_on, day, is_answered FROM placed_invitations WHERE place = 1
)
