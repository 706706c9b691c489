-- Each customer's MRR at the end of every period, as steps: +mrr where a spell starts, -mrr where it ends.
CREATE OR REPLACE TEMP VIEW levels AS
WITH events AS (
    SELECT customer_id, $paid_from_period AS period, mrr FROM subscriptions WHERE mrr > 0
    UNION ALL
    SELECT customer_id, $paid_until_period, -mrr FROM subscriptions WHERE mrr > 0 AND paid_until IS NOT NULL
),
netted AS (
    SELECT customer_id, period, CAST(SUM(mrr) AS BIGINT) AS step FROM events GROUP BY customer_id, period
),
summed AS (
    SELECT customer_id, period AS from_period,
           lead(period, 1, $end) OVER (PARTITION BY customer_id ORDER BY period) AS until_period,
           CAST(SUM(step) OVER (PARTITION BY customer_id ORDER BY period) AS BIGINT) AS mrr,
           MIN(period) OVER (PARTITION BY customer_id) AS first_paid
    FROM netted
)
SELECT *, lag(mrr, 1, 0) OVER (PARTITION BY customer_id ORDER BY from_period) AS mrr_before
FROM summed
