-- Customers with the same inputs, and the same purchases from $ends to before $until, grouped.
, later AS (
    SELECT customer_id, COUNT(*) AS purchases, SUM(amount) AS amount
    FROM purchase_history
    WHERE day >= $ends AND day < $until
    GROUP BY customer_id
)
SELECT frequency, recency_days, age_days, CAST(coalesce(later.purchases, 0) AS INTEGER) AS later_purchases,
       CAST(COUNT(*) AS BIGINT) AS customers, CAST(SUM(repeat_amount) AS BIGINT) AS repeat_amount,
       CAST(SUM(recent_amount) AS BIGINT) AS recent_amount, CAST(SUM(coalesce(later.amount, 0)) AS BIGINT) AS later_amount
FROM lives
LEFT JOIN later ON later.customer_id = lives.customer_id
GROUP BY frequency, recency_days, age_days, coalesce(later.purchases, 0)
ORDER BY frequency, recency_days, age_days, coalesce(later.purchases, 0)
