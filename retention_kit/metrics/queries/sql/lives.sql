-- The inputs of a lifetime model for each customer with a purchase before $ends: days with a purchase after the first
-- (frequency), the time from the first to the last of them and to the day before $ends, and the amounts spent on the
-- days after the first, and in the twelve months up to the last.
WITH lives AS (
    SELECT customer_id, frequency, day AS last_day, recency_days,
           CAST(date_diff('day', day, $ends) + recency_days - 1 AS INTEGER) AS age_days, repeat_amount, recent_amount
    FROM purchase_history
    WHERE day < $ends AND (next_day IS NULL OR next_day >= $ends)
)
