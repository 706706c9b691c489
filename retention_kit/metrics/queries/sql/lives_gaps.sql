-- Days between the first and the second purchase before $ends, with numbers of customers.
SELECT recency_days AS days, CAST(COUNT(*) AS BIGINT) AS customers
FROM purchase_history
WHERE frequency = 1 AND day < $ends
GROUP BY recency_days
ORDER BY recency_days
