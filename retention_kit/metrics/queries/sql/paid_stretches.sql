-- The time that customers pay for, by billing interval and without gaps: [since, until), with $as_of where it goes on.
-- Who pauses has not left: pauses, up to 24 hours away, join what lies around them, whatever interval they name.
-- `run_until` is where all of the customer's paid time around it ends, `run` its number; `behind` is until when
-- stretches of theirs that come before it go on, of other intervals. Renewals are counted from `anchored`: where trials
-- come first, from the day of the month on which such subscriptions mostly end. One comes after each `step` of days,
-- weeks or months (`unit`); whether an end soon after one still counts as its own is in `has_grace`.
CREATE OR REPLACE TEMP TABLE paid_stretches AS
WITH spells AS (
    SELECT customer_id, billed, CAST(started_at AS DATE) AS started, CAST(paid_from AS DATE) AS since,
           coalesce(CAST(paid_until AS DATE), $as_of) AS until, 1 AS is_paid
    FROM subscriptions WHERE mrr > 0
    UNION ALL
    SELECT pauses.customer_id, kinds.billed, NULL,
           CAST(local_time(instant_at(started_at, $zone) - INTERVAL 24 HOUR, $zone) AS DATE),
           least(coalesce(CAST(local_time(instant_at(paid_until, $zone) + INTERVAL 24 HOUR, $zone) AS DATE), $as_of), $as_of), 0
    FROM subscriptions AS pauses
    JOIN (SELECT DISTINCT customer_id, billed FROM subscriptions WHERE mrr > 0) AS kinds
        ON kinds.customer_id = pauses.customer_id
    WHERE pauses.status = 'paused'
),
habits AS (
    SELECT SUM(CASE WHEN $day_of_start THEN 1 ELSE 0 END) > SUM(CASE WHEN $day_of_payment THEN 1 ELSE 0 END) AS by_start
    FROM spells WHERE until < $as_of AND started < since AND $unit = 'month'
),
marked AS (
    SELECT customer_id, billed, since, until, is_paid,
           CASE WHEN by_start AND $unit = 'month' THEN started ELSE since END AS anchored,
           max(until) OVER (PARTITION BY $kind ORDER BY since, until
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached,
           max(until) OVER (PARTITION BY customer_id ORDER BY since, until
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached_by_any
    FROM spells CROSS JOIN habits
    WHERE until > since
),
numbered AS (
    SELECT customer_id, billed, since, until, is_paid, anchored,
           SUM(CASE WHEN since <= reached THEN 0 ELSE 1 END)
               OVER (PARTITION BY $kind ORDER BY since, until) AS stretch,
           SUM(CASE WHEN since <= reached_by_any THEN 0 ELSE 1 END)
               OVER (PARTITION BY customer_id ORDER BY since, until) AS run
    FROM marked
),
stretches AS (
    SELECT customer_id, billed, stretch, run, MAX(until) AS until,
           MIN(CASE WHEN is_paid = 1 THEN since END) AS since, MIN(CASE WHEN is_paid = 1 THEN anchored END) AS anchored
    FROM numbered GROUP BY customer_id, billed, stretch, run HAVING MAX(is_paid) = 1
)
SELECT customer_id, billed, CAST($step AS INTEGER) AS step, $unit AS unit, $has_grace AS has_grace,
       since, until, anchored, CAST(run AS INTEGER) AS run, $around
FROM stretches
