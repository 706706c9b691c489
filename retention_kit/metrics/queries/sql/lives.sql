-- Each customer of `purchase_days` as a lifetime model sees one: days with a purchase after the first (frequency), from
-- the first to the last of them, to the day before $ends, and spent on the days after the first, and in the twelve
-- months up to the last.
, lives AS (
    SELECT sums.customer_id, sums.frequency, sums.last_day,
           CAST(date_diff('day', sums.first_day, sums.last_day) AS INTEGER) AS recency_days,
           CAST(date_diff('day', sums.first_day, $ends) - 1 AS INTEGER) AS age_days,
           CAST(SUM(CASE WHEN bought.day > sums.first_day THEN bought.amount ELSE 0 END) AS BIGINT) AS repeat_amount,
           CAST(SUM(CASE WHEN bought.day > sums.last_day - INTERVAL 12 MONTH THEN bought.amount ELSE 0 END) AS BIGINT)
               AS recent_amount
    FROM sums
    JOIN bought ON bought.customer_id = sums.customer_id
    GROUP BY sums.customer_id, sums.frequency, sums.first_day, sums.last_day
)
