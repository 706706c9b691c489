-- MRR movements, in twelfths of a minor unit, with the squares for intervals. What the customers of the start still
-- pay (kept) is at the rates of the start.
WITH kinds AS (
    SELECT customer_id, from_period, until_period, 'end' AS kind, mrr AS amount, 0 AS base FROM levels WHERE mrr > 0
    UNION ALL
    SELECT customer_id, from_period + 1, until_period + 1, 'start', mrr, 0 FROM levels WHERE mrr > 0
    UNION ALL
    SELECT customer_id, from_period, from_period + 1, CASE WHEN mrr_unmoved < mrr_before THEN 'shrunk' ELSE 'grown' END,
           mrr_unmoved - mrr_before, mrr_before
    FROM levels WHERE mrr_before > 0
    UNION ALL
    SELECT customer_id, period, period + 1, kind, amount, base FROM changes
),
exact AS (
    SELECT *, CAST(amount AS DECIMAL(19, 0)) AS wide, CAST(base AS DECIMAL(19, 0)) AS wide_base,
           kind IN ('contraction', 'churned') AS is_loss
    FROM kinds
),
moves AS (
    SELECT customer_id, from_period, until_period, $rows_columns FROM exact
)
