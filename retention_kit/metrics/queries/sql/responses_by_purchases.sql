-- By the time since the last purchase at the time of the invitation, and by the amount spent in the year before:
-- thirds by the mid-rank of equal amounts.
, bought AS (
    SELECT recipients.customer_id, MAX(orders.day) AS last_day,
           CAST(SUM(CASE WHEN orders.day >= (recipients.asked_on - 365) THEN orders.amount ELSE 0 END) AS BIGINT) AS spent
    FROM recipients
    JOIN orders ON orders.customer_id = recipients.customer_id AND orders.day < recipients.asked_on
    WHERE orders.is_purchase
    GROUP BY recipients.customer_id
),
profiles AS (
    SELECT recipients.customer_id, asked_on, is_answered, last_day, coalesce(spent, 0) AS spent
    FROM recipients LEFT JOIN bought ON bought.customer_id = recipients.customer_id
),
spenders AS (
    SELECT spent, rank() OVER (ORDER BY spent) AS place, COUNT(*) OVER (PARTITION BY spent) AS alike,
           COUNT(*) OVER () AS size
    FROM profiles WHERE spent > 0
),
thirds AS (
    SELECT DISTINCT spent AS amount, CAST(floor((2 * place + alike - 2) * 3.0 / (2 * size)) AS INTEGER) AS third
    FROM spenders
),
answers AS (
    SELECT 'bought' AS about, is_answered,
           CASE WHEN last_day IS NULL THEN 'never' WHEN date_diff('day', last_day, asked_on) <= 90 THEN 'lately'
                WHEN date_diff('day', last_day, asked_on) <= 365 THEN 'this_year' ELSE 'earlier' END AS value
    FROM profiles
    UNION ALL
    SELECT 'spent', is_answered,
           CASE third WHEN 0 THEN 'little' WHEN 1 THEN 'middle' WHEN 2 THEN 'much' ELSE 'nothing' END
    FROM profiles LEFT JOIN thirds ON thirds.amount = profiles.spent
)
SELECT about, value, CAST(COUNT(*) AS BIGINT) AS invited, CAST(SUM(is_answered) AS BIGINT) AS answered
FROM answers GROUP BY about, value ORDER BY about, value
