-- Subscriptions up to $cut, collapsed: by billing interval, what became of them, and how many whole months (weeks or
-- days, where these are billed) they went on for. One of each customer who pays at the cut is the `member`, with what
-- they pay then; others of theirs, and what was followed by another interval, are `kept`. What ends up to three days
-- after a renewal was due ends with it.
WITH seen AS (
    SELECT customer_id, billed, anchored, until,
           CASE WHEN until >= $cut THEN 'member' WHEN until = run_until THEN 'lost' ELSE 'kept' END AS outcome,
           CASE WHEN until >= $cut THEN $eve
                WHEN until <> run_until THEN until
                WHEN billed IN ('day', 'week') THEN $day_before ELSE $days_before END AS ends,
           row_number() OVER (PARTITION BY customer_id
                              ORDER BY CASE WHEN until >= $cut THEN 0 ELSE 1 END, since, billed) AS place
    FROM paid_stretches WHERE since < $cut
),
counted AS (
    SELECT customer_id, billed, until, anchored, place,
           CASE WHEN outcome = 'member' AND place > 1 THEN 'kept' ELSE outcome END AS outcome,
           CAST(greatest(CASE billed WHEN 'day' THEN date_diff('day', anchored, ends)
                                     WHEN 'week' THEN floor(date_diff('day', anchored, ends) / 7.0)
                                     ELSE $months END, 0) AS INTEGER) AS units
    FROM seen
)
SELECT coalesce(v.value, $missing) AS segment_value, billed, outcome, units $traits,
       COUNT(*) AS customers, CAST(SUM(CASE WHEN outcome = 'member' THEN coalesce(mrr, 0) ELSE 0 END) AS BIGINT) AS mrr
FROM counted
LEFT JOIN $values v ON v.customer_id = counted.customer_id AND v.from_period <= $span AND v.until_period > $span
LEFT JOIN levels ON levels.customer_id = counted.customer_id AND counted.outcome = 'member'
    AND levels.from_period <= $span AND levels.until_period > $span
$joins
GROUP BY $groups
ORDER BY $groups
