steps AS (
    SELECT customer_id, period, mrr AS step, mrr AS step_before, 0 AS fx FROM events
),
