-- Subscriptions up to $cut, collapsed: by billing interval, what became of them, and how many whole months (weeks or
-- days, where the interval is of these) they went on for. One of each customer who pays at the cut is the `member`,
-- with what they pay then; others of theirs, paused ones and what was followed by another interval are `kept`. What
-- ends up to three days after a renewal was due ends with it, unless it is billed every week or more often.
WITH seen AS (
    SELECT customer_id, billed, step, unit, since, anchored, run_until,
           CASE WHEN until >= $cut THEN 'member' WHEN until = run_until THEN 'lost' ELSE 'kept' END AS outcome,
           CASE WHEN until >= $cut THEN $eve
                WHEN until <> run_until THEN until
                WHEN has_grace = 1 THEN $days_before ELSE $day_before END AS ends,
           row_number() OVER (PARTITION BY customer_id
                              ORDER BY CASE WHEN until >= $cut THEN 0 ELSE 1 END, since, billed) AS place
    FROM paid_stretches WHERE since < $cut
),
counted AS (
    SELECT seen.customer_id, billed, seen.step, unit, since, anchored, run_until, mrr,
           CASE WHEN outcome = 'member' AND (place > 1 OR coalesce(mrr, 0) = 0) THEN 'kept' ELSE outcome END AS outcome,
           CAST(greatest(CASE unit WHEN 'day' THEN date_diff('day', anchored, ends)
                                   WHEN 'week' THEN floor(date_diff('day', anchored, ends) / 7.0)
                                   ELSE $months END, 0) AS INTEGER) AS units
    FROM seen
    LEFT JOIN levels ON levels.customer_id = seen.customer_id
        AND levels.from_period <= $span AND levels.until_period > $span
)
