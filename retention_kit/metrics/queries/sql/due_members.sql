-- Customers who began or stopped paying from $first to $last.
WITH payers AS (
    SELECT customer_id, MIN(CAST(paid_from AS DATE)) AS pays_since,
           MAX(coalesce(CAST(paid_until AS DATE), DATE '9999-12-31')) AS pays_until
    FROM subscriptions
    WHERE mrr > 0 AND CAST(paid_from AS DATE) < $ends
    GROUP BY customer_id
),
happened AS (
    SELECT customer_id, $when AS happened_on FROM payers WHERE $when >= $first AND $when <= $last AND $wanted
)
$found
