-- The days with a repeat purchase of sampled customers, drawn by a digest of the id, which is the same on every
-- engine; the first has place 1.
CREATE OR REPLACE TEMP TABLE spenders AS
WITH drawn AS (
    SELECT customer_id, row_number() OVER (ORDER BY digest, customer_id) AS place
    FROM (
        SELECT customer_id, md5(customer_id) AS digest
        FROM purchase_history
        WHERE frequency = 1
        ORDER BY digest, customer_id
        LIMIT $most
    ) AS repeat_buyers
)
SELECT CAST(place AS INTEGER) AS place, day, next_day, frequency, repeat_amount
FROM purchase_history
JOIN drawn ON drawn.customer_id = purchase_history.customer_id
WHERE frequency > 0
