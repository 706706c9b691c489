-- Tickets opened from $first to before $until that are still open.
WITH happened AS (
    SELECT customer_id, opened_at AS happened_at, ticket_id
    FROM tickets
    WHERE closed_at IS NULL AND opened_at >= $first AND opened_at < $until
)
$found
