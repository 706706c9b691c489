-- Each day with a purchase of each customer (orders of one day are one purchase), with the customer's next such day,
-- and the inputs of a lifetime model from that day to the next: the number of such days after the first (frequency),
-- the time since the first, and the amounts spent after it, and in the twelve months up to this day.
CREATE OR REPLACE TEMP TABLE purchase_history AS
WITH bought AS (
    -- Each month has 32 numbers, a year 384: the same day of the year before is that many numbers back.
    SELECT customer_id, day, CAST(SUM(amount) AS BIGINT) AS amount,
           CAST((EXTRACT(year FROM day) * 12 + EXTRACT(month FROM day)) * 32 + EXTRACT(day FROM day) AS INTEGER)
               AS number
    FROM orders
    WHERE is_purchase AND customer_id IS NOT NULL
    GROUP BY customer_id, day
)
SELECT customer_id, day, amount,
       lead(day) OVER (PARTITION BY customer_id ORDER BY number) AS next_day,
       CAST(row_number() OVER (PARTITION BY customer_id ORDER BY number) - 1 AS INTEGER) AS frequency,
       CAST(date_diff('day', first_value(day) OVER (PARTITION BY customer_id ORDER BY number), day) AS INTEGER)
           AS recency_days,
       CAST(SUM(amount) OVER (PARTITION BY customer_id ORDER BY number
                              ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
            - first_value(amount) OVER (PARTITION BY customer_id ORDER BY number) AS BIGINT) AS repeat_amount,
       CAST(SUM(amount) OVER (PARTITION BY customer_id ORDER BY number RANGE BETWEEN 383 PRECEDING AND CURRENT ROW)
            AS BIGINT) AS recent_amount
FROM bought
