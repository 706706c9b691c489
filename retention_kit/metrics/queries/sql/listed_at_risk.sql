-- Repeat buyers without a purchase for longer than half of their own gaps, who will probably buy nothing within the
-- horizon; $r, $alpha (days), $a and $b are the parameters of the model. Exponents are limited so that no engine
-- overflows.
, overdue AS (
    SELECT lives.customer_id, frequency, recency_days, age_days, last_day, recent_amount,
           coalesce(v.value, $missing) AS segment_value,
           1 / (1 + exp(least(greatest(
               ln($a / ($b + frequency - 1)) + ($r + frequency) * ln(($alpha + age_days) / ($alpha + recency_days)),
               -700), 700))) AS alive,
           1 - exp(greatest(($r + frequency) * ln(($alpha + age_days) / ($alpha + age_days + $horizon)), -700)) AS buys
    FROM lives
    LEFT JOIN $values v ON v.customer_id = lives.customer_id AND v.from_period <= $period AND v.until_period > $period
    WHERE frequency > 0
      AND age_days - recency_days > ($alpha + recency_days) * (exp(least(ln($gap) / ($r + frequency), 700)) - 1)
)
SELECT customer_id, frequency, recency_days, age_days, last_day, recent_amount, segment_value,
       CAST(COUNT(*) OVER () AS BIGINT) AS in_all
FROM overdue
WHERE 1 - alive * buys >= $unlikely AND $wanted
ORDER BY $rank DESC, age_days - recency_days DESC, customer_id
LIMIT $most
