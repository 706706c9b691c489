-- Changes of each customer's MRR, between the ends of periods or by day. New, reactivated and changed MRR is at the
-- rate of the end, churned MRR at that of the start.
CREATE OR REPLACE TEMP TABLE changes AS
SELECT customer_id, $period AS period, mrr_before AS base,
       CASE WHEN mrr_before = 0 AND from_period = first_paid THEN 'new'
            WHEN mrr_before = 0 THEN 'reactivation'
            WHEN mrr = 0 THEN 'churned'
            WHEN mrr > mrr_before + fx THEN 'expansion'
            ELSE 'contraction' END AS kind,
       CASE WHEN mrr = 0 THEN mrr_before ELSE abs(mrr - mrr_before - fx) END AS amount
FROM $levels
WHERE mrr <> mrr_before + fx OR (mrr = 0 AND mrr_before > 0)
UNION ALL
SELECT customer_id, $period, mrr_before, 'fx', fx FROM $levels WHERE fx <> 0 AND mrr > 0 AND mrr_before > 0
