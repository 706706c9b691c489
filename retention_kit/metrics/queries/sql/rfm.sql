-- Recency, frequency and monetary value by customer, from `purchase_days`.
SELECT sums.customer_id, frequency, date_diff('day', first_day, last_day) AS recency_days,
       date_diff('day', first_day, $ends) - 1 AS age_days, sums.amount - bought.amount AS repeat_amount
FROM sums
JOIN bought ON bought.customer_id = sums.customer_id AND bought.day = sums.first_day
ORDER BY sums.customer_id
