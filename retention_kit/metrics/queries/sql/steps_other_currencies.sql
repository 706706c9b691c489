-- MRR in foreign currencies by period, at the last rate before each period's end.
holdings AS (
    SELECT customer_id, currency, period AS from_period,
           lead(period, 1, $end) OVER (PARTITION BY customer_id, currency ORDER BY period) AS until_period,
           SUM(mrr) OVER (PARTITION BY customer_id, currency ORDER BY period) AS own
    FROM (SELECT customer_id, currency, period, SUM(mrr) AS mrr FROM events WHERE currency IS NOT NULL
          GROUP BY customer_id, currency, period) AS own_steps
),
worths AS (
    SELECT holdings.customer_id, rates.period,
           greatest(CAST(round(own * rates.rate) AS BIGINT), 1) AS worth,
           greatest(CAST(round(own * rates.earlier_rate) AS BIGINT), 1) AS earlier_worth,
           greatest(CAST(round(own * rates.next_rate) AS BIGINT), 1) AS next_worth
    FROM holdings
    JOIN $rates AS rates ON rates.currency = holdings.currency
        AND rates.period >= holdings.from_period AND rates.period < holdings.until_period
    WHERE own > 0
),
steps AS (
    SELECT customer_id, period, CASE WHEN currency IS NULL THEN mrr ELSE 0 END AS step,
           CASE WHEN currency IS NULL THEN mrr ELSE 0 END AS step_before, 0 AS fx
    FROM events
    UNION ALL
    SELECT customer_id, period, worth, earlier_worth, 0 FROM worths
    UNION ALL
    SELECT customer_id, period + 1, -worth, -worth, next_worth - worth FROM worths WHERE period + 1 < $end
),
