-- Customers whose last purchase was from $first to $last, without an answer to a survey since.
, happened AS (
    SELECT sums.customer_id, sums.last_day AS happened_on
    FROM sums
    LEFT JOIN (SELECT customer_id, MAX(day) AS answered_on FROM $answers AS given GROUP BY customer_id) AS answered
        ON answered.customer_id = sums.customer_id
    WHERE sums.last_day >= $first AND sums.last_day <= $last AND $wanted
        AND (answered.answered_on IS NULL OR answered.answered_on < sums.last_day)
)
$found
