-- Customers with purchases on one day only, at least $usual and at most $latest days ago.
, waiting AS (
    SELECT lives.customer_id, last_day, age_days, recency_days, frequency, recent_amount,
           coalesce(v.value, $missing) AS segment_value
    FROM lives
    LEFT JOIN $values v ON v.customer_id = lives.customer_id AND v.from_period <= $period AND v.until_period > $period
    WHERE frequency = 0 AND age_days + 1 > $usual AND age_days + 1 <= $latest
)
SELECT waiting.*, CAST(COUNT(*) OVER () AS BIGINT) AS in_all
FROM waiting
WHERE $wanted
ORDER BY $rank DESC, age_days DESC, customer_id
LIMIT $most
