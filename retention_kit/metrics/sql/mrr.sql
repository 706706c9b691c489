-- MRR movements between the period's boundaries, in twelfths of a minor unit.
WITH moves AS (
    SELECT customer_id, from_period, until_period, 0 AS start, 0 AS new, 0 AS expansion, 0 AS contraction, 0 AS churned,
           0 AS reactivation, mrr AS "end", CASE WHEN mrr > 0 THEN 1 ELSE 0 END AS customers
    FROM levels
    UNION ALL
    SELECT customer_id, from_period + 1, until_period + 1, mrr, 0, 0, 0, 0, 0, 0, 0 FROM levels
    UNION ALL
    SELECT customer_id, from_period, from_period + 1, 0,
           CASE WHEN mrr_before = 0 AND from_period = first_paid THEN mrr ELSE 0 END,
           CASE WHEN mrr_before > 0 AND mrr > mrr_before THEN mrr - mrr_before ELSE 0 END,
           CASE WHEN mrr > 0 AND mrr < mrr_before THEN mrr_before - mrr ELSE 0 END,
           CASE WHEN mrr = 0 THEN mrr_before ELSE 0 END,
           CASE WHEN mrr_before = 0 AND from_period > first_paid THEN mrr ELSE 0 END,
           0, 0
    FROM levels
)
