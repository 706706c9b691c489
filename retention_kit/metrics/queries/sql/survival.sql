-- Whole months until customers were lost for the first time, or so far (`lost` = 0), at $cut; by the segment value at
-- their start, as later values exist only for those who stayed.
WITH lives AS (
    SELECT customer_id, MIN(run_since) AS since, CASE WHEN MIN(run_until) < $cut THEN 1 ELSE 0 END AS lost,
           CASE WHEN MIN(run_until) < $cut THEN $days_before ELSE $eve END AS ends
    FROM paid_stretches WHERE since < $cut GROUP BY customer_id
)
SELECT coalesce(v.value, $missing) AS segment_value, lost,
       CAST(greatest($months, 0) + lost AS INTEGER) AS months, COUNT(*) AS customers
FROM lives
LEFT JOIN $values v ON v.customer_id = lives.customer_id AND v.from_period <= $began AND v.until_period > $began
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
