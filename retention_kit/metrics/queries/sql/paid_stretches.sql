-- The time that customers pay for, by billing interval and without gaps: [since, until), with $as_of where it goes on.
-- `run_until` is where all of the customer's paid time around it ends, `run` its number. Renewals are counted from
-- `anchored`: where trials come first, from the day of the month on which such subscriptions mostly end.
CREATE OR REPLACE TEMP TABLE paid_stretches AS
WITH spells AS (
    SELECT customer_id, billed, CAST(started_at AS DATE) AS started, CAST(paid_from AS DATE) AS since,
           coalesce(CAST(paid_until AS DATE), $as_of) AS until, paid_until IS NOT NULL AS has_ended
    FROM subscriptions WHERE mrr > 0
),
habits AS (
    SELECT SUM(CASE WHEN $day_of_start THEN 1 ELSE 0 END) > SUM(CASE WHEN $day_of_payment THEN 1 ELSE 0 END) AS by_start
    FROM spells WHERE has_ended AND started < since AND billed IN ('month', 'quarter', 'year')
),
marked AS (
    SELECT customer_id, billed, since, until,
           CASE WHEN by_start AND billed IN ('month', 'quarter', 'year') THEN started ELSE since END AS anchored,
           max(until) OVER (PARTITION BY customer_id, billed ORDER BY since, until
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached,
           max(until) OVER (PARTITION BY customer_id ORDER BY since, until
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached_by_any
    FROM spells CROSS JOIN habits
    WHERE until > since
),
numbered AS (
    SELECT customer_id, billed, since, until, anchored,
           SUM(CASE WHEN since <= reached THEN 0 ELSE 1 END)
               OVER (PARTITION BY customer_id, billed ORDER BY since, until) AS stretch,
           SUM(CASE WHEN since <= reached_by_any THEN 0 ELSE 1 END)
               OVER (PARTITION BY customer_id ORDER BY since, until) AS run
    FROM marked
),
stretches AS (
    SELECT customer_id, billed, stretch, run, MIN(since) AS since, MAX(until) AS until, MIN(anchored) AS anchored
    FROM numbered GROUP BY customer_id, billed, stretch, run
)
SELECT customer_id, billed, since, until, anchored, CAST(run AS INTEGER) AS run,
       MIN(since) OVER (PARTITION BY customer_id, run) AS run_since,
       MAX(until) OVER (PARTITION BY customer_id, run) AS run_until
FROM stretches
