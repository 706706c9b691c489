-- The inputs of a lifetime model at the ends of periods: each day with a purchase before the end of a period without
-- another, up to the period of the next. Customers with the same values are grouped; first_day counts from 1970.
CREATE OR REPLACE TEMP TABLE purchase_states AS
WITH states AS (
    SELECT $period AS from_period, coalesce($next_period, 1000000) AS until_period, frequency, recency_days,
           date_diff('day', DATE '1970-01-01', day) - recency_days AS first_day, repeat_amount, recent_amount
    FROM purchase_history
)
SELECT CAST(from_period AS INTEGER) AS from_period, CAST(until_period AS INTEGER) AS until_period, frequency,
       recency_days, CAST(first_day AS INTEGER) AS first_day, CAST(COUNT(*) AS BIGINT) AS customers,
       CAST(SUM(repeat_amount) AS BIGINT) AS repeat_amount, CAST(SUM(recent_amount) AS BIGINT) AS recent_amount
FROM states
WHERE until_period > from_period
GROUP BY from_period, until_period, frequency, recency_days, first_day
