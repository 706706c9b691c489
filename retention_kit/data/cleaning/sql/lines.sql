-- name: lines
-- Order lines, summed: of each order at its earliest time. What was refunded of the order stands on one line or on
-- each: it counts once. Whole orders beside them stay as they are.
CREATE TABLE $into AS
WITH lines AS (
    SELECT _row, customer_id, order_id, ordered_at, amount, refund_of, refunded, $currency AS currency, own, has_several, own_worth $extras
    FROM $rows WHERE _is_line
),
placed AS (
    SELECT *, row_number() OVER (PARTITION BY order_id, refund_of, own, currency
                                 ORDER BY CASE WHEN customer_id IS NULL THEN 1 ELSE 0 END, ordered_at, _row) AS place
    FROM lines
),
summed AS (
    SELECT min(_row) AS _row, max(CASE WHEN place = 1 THEN customer_id END) AS customer_id, order_id,
           min(ordered_at) AS ordered_at, sum(amount) AS amount, refund_of, max(refunded) AS refunded, currency $agreed_extras, own,
           bool_or(has_several) OR coalesce(min(customer_id) <> max(customer_id), false) AS has_several,
           $own_worth AS own_worth
    FROM placed GROUP BY order_id, refund_of, own, currency
)
SELECT _row, true AS _is_line, customer_id, order_id, ordered_at, amount, refund_of, refunded, currency $extras,
       CAST(min(ordered_at) OVER (PARTITION BY order_id, refund_of, own) AS DATE) AS rate_day, own, has_several, own_worth
FROM summed
UNION ALL
SELECT _row, _is_line, customer_id, order_id, ordered_at, amount, refund_of, refunded, currency $extras, rate_day, own, has_several, own_worth
FROM $rows WHERE NOT _is_line;
