SELECT frequency, recency_days, first_day, customers, repeat_amount, recent_amount
FROM purchase_states
WHERE from_period <= $period AND until_period > $period
