-- MRR movements: spells joined with a calendar of month ends, each customer's level against that of the month before.
WITH calendar AS (
    SELECT CAST(month AS DATE) AS month, month + INTERVAL 1 MONTH AS until
    FROM range(DATE '$first' - INTERVAL 1 MONTH, DATE '$as_of', INTERVAL 1 MONTH) AS months(month)
),
levels AS (
    SELECT customer_id, month, SUM(amount) AS mrr
    FROM subscriptions JOIN calendar ON started_at < until AND (ended_at IS NULL OR ended_at >= until)
    GROUP BY ALL
),
firsts AS (
    SELECT customer_id, MIN(started_at) AS first_paid FROM subscriptions GROUP BY customer_id
),
pairs AS (
    SELECT coalesce(now.month, CAST(earlier.month + INTERVAL 1 MONTH AS DATE)) AS month,
           coalesce(now.customer_id, earlier.customer_id) AS customer_id,
           coalesce(now.mrr, 0) AS mrr, coalesce(earlier.mrr, 0) AS mrr_before
    FROM levels AS now
    FULL JOIN levels AS earlier
        ON earlier.customer_id = now.customer_id AND earlier.month = CAST(now.month - INTERVAL 1 MONTH AS DATE)
),
moves AS (
    SELECT month, mrr, mrr_before, mrr - mrr_before AS change, first_paid >= month AS is_new
    FROM pairs JOIN firsts USING (customer_id)
)
SELECT month, CAST(SUM(mrr_before) AS BIGINT) AS start,
       CAST(coalesce(SUM(change) FILTER (mrr_before = 0 AND is_new), 0) AS BIGINT) AS new,
       CAST(coalesce(SUM(change) FILTER (mrr_before > 0 AND change > 0), 0) AS BIGINT) AS expansion,
       CAST(coalesce(-SUM(change) FILTER (mrr > 0 AND change < 0), 0) AS BIGINT) AS contraction,
       CAST(coalesce(-SUM(change) FILTER (mrr = 0), 0) AS BIGINT) AS churned,
       CAST(coalesce(SUM(change) FILTER (mrr_before = 0 AND NOT is_new), 0) AS BIGINT) AS reactivation,
       CAST(SUM(mrr) AS BIGINT) AS "end"
FROM moves
WHERE month >= DATE '$first' AND month < DATE '$as_of'
GROUP BY month
ORDER BY month
