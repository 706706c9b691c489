-- The amounts in two consecutive periods of the customer with the largest change.
SELECT now_amount, before_amount
FROM (
    SELECT customer_id, CAST(SUM(CASE WHEN day >= $starts THEN amount ELSE 0 END) AS BIGINT) AS now_amount,
           CAST(SUM(CASE WHEN day < $starts THEN amount ELSE 0 END) AS BIGINT) AS before_amount
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL AND day >= $begins AND day < $ends
    GROUP BY customer_id
) AS sums
ORDER BY ABS(now_amount - before_amount) DESC, customer_id
LIMIT 1
