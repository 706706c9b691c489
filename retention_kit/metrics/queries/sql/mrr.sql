-- MRR movements, in twelfths of a minor unit, with the squares for intervals. What the customers of the start still
-- pay (kept) is at the rates of the start. Changes are paired by customer, so what they do in a span comes with what
-- they did in the one before (pairs), each at the rates of its start; of a segment value those who had it then, too
-- (looks_back).
WITH paying AS (
    SELECT customer_id, from_period, until_period, mrr AS amount, CAST(mrr AS DECIMAL(19, 0)) AS wide
    FROM levels WHERE mrr > 0
),
kept AS (
    SELECT customer_id, from_period, mrr_before AS base, mrr_unmoved - mrr_before AS amount,
           CAST(mrr_before AS DECIMAL(19, 0)) AS wide_base, CAST(mrr_unmoved - mrr_before AS DECIMAL(19, 0)) AS wide
    FROM levels WHERE mrr_before > 0
),
changed AS (
    SELECT customer_id, period, kind, amount, kind IN ('contraction', 'churned') AS is_loss,
           CAST(amount AS DECIMAL(19, 0)) AS wide, CAST(base AS DECIMAL(19, 0)) AS wide_base
    FROM changes
),
-- What customers pay at the start and the end of a span, and of the one before: of spans in which something changes, and
-- of those after them. In later ones all four are the same (steady).
twice AS (
    SELECT levels.customer_id, levels.from_period, levels.from_period + 1 AS until_period, levels.first_paid,
           levels.mrr_before AS paid, levels.mrr_unmoved AS ended, levels.mrr AS at_end,
           coalesce(earlier.mrr_before, levels.mrr_before) AS paid_before,
           coalesce(earlier.mrr_unmoved, levels.mrr_before) AS ended_before
    FROM levels
    LEFT JOIN levels AS earlier ON earlier.customer_id = levels.customer_id
        AND earlier.until_period = levels.from_period AND earlier.from_period = levels.from_period - 1
    WHERE levels.mrr_before > 0 OR earlier.mrr_before > 0
    UNION ALL
    SELECT customer_id, from_period + 1, from_period + 2, first_paid, mrr, mrr, mrr, mrr_before, mrr_unmoved
    FROM levels WHERE mrr > 0 AND until_period > from_period + 1
),
pairs AS (
    SELECT customer_id, from_period, until_period, CAST(paid AS DECIMAL(19, 0)) AS paid,
           CAST(at_end AS DECIMAL(19, 0)) AS at_end,
           CAST(CASE WHEN paid > 0 THEN ended - paid ELSE 0 END AS DECIMAL(19, 0)) AS kept,
           CAST(greatest(paid - ended, 0) AS DECIMAL(19, 0)) AS lost,
           CAST(CASE WHEN paid > 0 THEN 0 ELSE ended END AS DECIMAL(19, 0)) AS back,
           CAST(CASE WHEN paid > 0 OR $counts_back THEN greatest(ended - paid, 0) ELSE 0 END AS DECIMAL(19, 0)) AS gained,
           CAST(paid_before AS DECIMAL(19, 0)) AS paid_before,
           CAST(CASE WHEN paid_before > 0 THEN ended_before - paid_before ELSE 0 END AS DECIMAL(19, 0)) AS kept_before,
           CAST(greatest(paid_before - ended_before, 0) AS DECIMAL(19, 0)) AS lost_before,
           CAST(CASE WHEN paid_before > 0 OR first_paid = from_period - 1 THEN 0 ELSE ended_before END
                AS DECIMAL(19, 0)) AS back_before,
           CAST(CASE WHEN paid_before > 0 OR first_paid = from_period - 1 OR $counts_back
                     THEN greatest(ended_before - paid_before, 0) ELSE 0 END AS DECIMAL(19, 0)) AS gained_before
    FROM twice
),
moves AS (
    SELECT $customer from_period, until_period, 0 AS looks_back, $at_end_columns FROM paying $by_span
    UNION ALL
    SELECT $customer from_period + 1, until_period + 1, 0, $at_start_columns FROM paying $by_span
    UNION ALL
    SELECT $customer from_period, from_period + 1, 0, $kept_columns FROM kept $by_span
    UNION ALL
    SELECT $customer period, period + 1, 0, $changes_columns FROM changed $by_span
    UNION ALL
    SELECT $customer from_period, until_period, 1, $pairs_columns FROM pairs $by_span
    UNION ALL
    SELECT $customer from_period + 2, until_period, 1, $steady_columns
    FROM paying WHERE until_period > from_period + 2 $by_span
)
