-- When each purchase of a customer enters the last twelve months, leaves them and is forgotten, and the same for the
-- next.
CREATE OR REPLACE TEMP TABLE windows_of_days AS
WITH sums AS (
    SELECT customer_id, enters, leaves, forgotten, COUNT(*) AS purchases, CAST(SUM(amount) AS BIGINT) AS revenue
    FROM orders JOIN trailing_days ON trailing_days.day = orders.day
    WHERE is_purchase AND customer_id IS NOT NULL
    GROUP BY customer_id, enters, leaves, forgotten
)
SELECT customer_id, enters, leaves, forgotten, purchases, revenue,
       lead(enters) OVER (PARTITION BY customer_id ORDER BY enters, leaves, forgotten) AS next_enters,
       lead(leaves) OVER (PARTITION BY customer_id ORDER BY enters, leaves, forgotten) AS next_leaves
FROM sums
