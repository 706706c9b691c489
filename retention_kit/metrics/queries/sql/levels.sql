-- Each customer's MRR at the end of every span, as steps: +mrr where a spell starts, -mrr where it ends. In foreign
-- currencies the value changes at every boundary: `fx` is the effect of rates on the MRR of the span before, and
-- `mrr_unmoved` the MRR at the rates of the span before.
CREATE OR REPLACE TEMP TABLE $name AS
WITH events AS (
    SELECT customer_id, currency, $paid_from_period AS period, mrr FROM subscriptions WHERE mrr > 0
    UNION ALL
    SELECT customer_id, currency, $paid_until_period, -mrr FROM subscriptions WHERE mrr > 0 AND paid_until IS NOT NULL
),
$steps
netted AS (
    SELECT customer_id, period, CAST(SUM(step) AS BIGINT) AS step, CAST(SUM(step_before) AS BIGINT) AS step_before,
           CAST(SUM(fx) AS BIGINT) AS fx
    FROM steps GROUP BY customer_id, period
)
SELECT customer_id, from_period, until_period, first_paid, mrr, fx, mrr - step AS mrr_before,
       mrr - step + step_before AS mrr_unmoved
FROM (SELECT customer_id, fx, step, step_before, period AS from_period,
             lead(period, 1, $end) OVER (PARTITION BY customer_id ORDER BY period) AS until_period,
             CAST(SUM(step) OVER (PARTITION BY customer_id ORDER BY period) AS BIGINT) AS mrr,
             $first_paid AS first_paid
      FROM netted) AS summed
