-- Customers who no longer pay at the end of a span, with those who began within it if $passing, and the reason: that
-- of the spell that ended last, or the pause that follows within 24 hours, also where clocks change.
CREATE OR REPLACE TEMP TABLE $name AS
WITH ended AS (
    SELECT customer_id, $paid_until_period AS span, paid_until, cancel_reason,
           row_number() OVER (PARTITION BY customer_id, $paid_until_period
                              ORDER BY paid_until DESC, mrr DESC, _row DESC) AS place
    FROM subscriptions
    WHERE mrr > 0 AND paid_until IS NOT NULL
),
pausing AS (
    SELECT DISTINCT ended.customer_id, ended.span
    FROM ended
    JOIN subscriptions AS pauses ON pauses.customer_id = ended.customer_id AND pauses.status = 'paused'
        AND pauses.started_at >= ended.paid_until
        AND instant_at(pauses.started_at, $zone) <= instant_at(ended.paid_until, $zone) + INTERVAL 24 HOUR
    WHERE ended.place = 1
)
SELECT levels.customer_id, levels.from_period AS span, levels.mrr_before,
       levels.from_period = levels.first_paid AS is_first,
       CASE WHEN pausing.customer_id IS NOT NULL THEN $paused ELSE coalesce(ended.cancel_reason, $none) END AS reason
FROM $levels AS levels
LEFT JOIN ended ON ended.customer_id = levels.customer_id AND ended.span = levels.from_period AND ended.place = 1
LEFT JOIN pausing ON pausing.customer_id = levels.customer_id AND pausing.span = levels.from_period
WHERE levels.mrr = 0 AND (levels.mrr_before > 0 OR $passing)
