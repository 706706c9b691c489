steps AS (
    SELECT customer_id, period, mrr AS step, 0 AS fx FROM events
),
