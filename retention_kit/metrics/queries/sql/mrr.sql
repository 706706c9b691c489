-- MRR movements, in twelfths of a minor unit, with the squares that intervals are made of. What the customers of the
-- start still pay (kept) is told at the rates of the start.
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
    SELECT customer_id, from_period, until_period,
           CASE WHEN kind = 'start' THEN amount ELSE 0 END AS start,
           CASE WHEN kind = 'new' THEN amount ELSE 0 END AS new,
           CASE WHEN kind = 'expansion' THEN amount ELSE 0 END AS expansion,
           CASE WHEN kind = 'contraction' THEN amount ELSE 0 END AS contraction,
           CASE WHEN kind = 'churned' THEN amount ELSE 0 END AS churned,
           CASE WHEN kind = 'reactivation' THEN amount ELSE 0 END AS reactivation,
           CASE WHEN kind = 'fx' THEN amount ELSE 0 END AS fx,
           CASE WHEN kind = 'end' THEN amount ELSE 0 END AS "end",
           CASE WHEN kind IN ('shrunk', 'grown') THEN amount ELSE 0 END AS kept_change,
           CASE WHEN kind = 'shrunk' THEN -amount ELSE 0 END AS kept_loss,
           CASE WHEN kind = 'start' THEN 1 ELSE 0 END AS customers_at_start,
           CASE WHEN kind = 'end' THEN 1 ELSE 0 END AS customers,
           CASE WHEN kind IN ('start', 'end', 'shrunk', 'grown', 'fx') THEN 0 ELSE 1 END AS changes,
           CASE WHEN kind = 'shrunk' AND amount = -base THEN 1 ELSE 0 END AS gone,
           CASE WHEN kind = 'shrunk' AND amount = -base THEN base ELSE 0 END AS gone_mrr,
           CASE WHEN kind = 'start' THEN wide * wide ELSE 0 END AS start_squared,
           CASE WHEN kind = 'end' THEN wide * wide ELSE 0 END AS end_squared,
           CASE WHEN kind IN ('shrunk', 'grown') THEN wide * wide ELSE 0 END AS kept_squared,
           CASE WHEN kind IN ('shrunk', 'grown') THEN wide * wide_base ELSE 0 END AS start_kept,
           CASE WHEN kind = 'shrunk' THEN wide * wide ELSE 0 END AS kept_loss_squared,
           CASE WHEN kind = 'shrunk' THEN -wide * wide_base ELSE 0 END AS start_kept_loss,
           CASE WHEN kind = 'new' THEN wide * wide ELSE 0 END AS new_squared,
           CASE WHEN kind = 'expansion' THEN wide * wide ELSE 0 END AS expansion_squared,
           CASE WHEN kind = 'reactivation' THEN wide * wide ELSE 0 END AS reactivation_squared,
           CASE WHEN is_loss THEN wide * wide ELSE 0 END AS loss_squared,
           CASE WHEN kind = 'expansion' THEN wide * wide_base ELSE 0 END AS start_expansion,
           CASE WHEN is_loss THEN wide * wide_base ELSE 0 END AS start_loss
    FROM exact
)
