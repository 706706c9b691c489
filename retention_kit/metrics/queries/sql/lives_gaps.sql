-- How many days passed between the first and the second purchase, of how many customers.
, seconds AS (
    SELECT sums.customer_id, date_diff('day', sums.first_day, MIN(bought.day)) AS days
    FROM sums
    JOIN bought ON bought.customer_id = sums.customer_id
    WHERE bought.day > sums.first_day
    GROUP BY sums.customer_id, sums.first_day
)
SELECT CAST(days AS INTEGER) AS days, CAST(COUNT(*) AS BIGINT) AS customers FROM seconds GROUP BY days ORDER BY days
