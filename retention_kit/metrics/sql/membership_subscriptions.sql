-- Basis subscriptions: a customer is one while MRR at the period's end is above 0.
CREATE OR REPLACE TEMP VIEW membership AS
WITH switches AS (
    SELECT customer_id, from_period, mrr > 0 AS is_paid, from_period = first_paid AS is_first
    FROM levels
    WHERE (mrr > 0) <> (mrr_before > 0)
),
runs AS (
    SELECT *, lead(from_period, 1, $end) OVER (PARTITION BY customer_id ORDER BY from_period) AS until_period
    FROM switches
)
SELECT customer_id, from_period, until_period, is_first FROM runs WHERE is_paid
