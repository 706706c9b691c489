-- Orders: typed rows, judged (`problem`), then netted against the refunds that name them.

CREATE TABLE orders_typed AS
WITH typed AS (
    SELECT _row, _is_line, _like, _ambiguous, _nonexistent, $customer_id AS customer_id, $order_id AS order_id,
           $ordered_at AS ordered_at, $amount AS amount, $refund_of AS refund_of, $currency AS currency $raw_extras
    FROM orders_raw
),
judged AS (
    SELECT *, CASE WHEN ordered_at IS NULL THEN 'unreadable date'
                   WHEN amount IS NULL THEN 'unreadable amount'
                   WHEN CAST(ordered_at AS DATE) < $rates_begin THEN 'no exchange rate yet' END AS fault
    FROM typed
),
ranked AS (
    SELECT *,
           row_number() OVER (PARTITION BY order_id, ordered_at, amount, customer_id, refund_of, currency, fault $extras
                              ORDER BY _row) AS same_row,
           dense_rank() OVER (PARTITION BY order_id, fault ORDER BY ordered_at, amount, customer_id, refund_of,
                              currency $extras) AS same_key
    FROM judged WHERE NOT _is_line
    UNION ALL
    SELECT *, 1 AS same_row, 1 AS same_key FROM judged WHERE _is_line
)
SELECT _row, _is_line, _like, _ambiguous, _nonexistent, customer_id, order_id, ordered_at, amount, refund_of, currency $extras,
       CASE WHEN fault IS NOT NULL THEN fault
            WHEN same_row > 1 THEN 'identical row'
            WHEN order_id IS NOT NULL AND same_key > 1 THEN 'same order_id, other contents'
       END AS problem
FROM ranked;

-- What is known at the as-of date. `rate_day` is the day at whose rate it converts; `own` tells lines without an order_id apart.
CREATE VIEW orders_known AS
SELECT _row, _is_line, customer_id, order_id, ordered_at, amount, refund_of, currency $extras,
       CAST(ordered_at AS DATE) AS rate_day, CASE WHEN order_id IS NULL THEN _row END AS own, false AS has_several
FROM orders_typed WHERE problem IS NULL AND ordered_at < $as_of;

-- A refund lowers the order it names, in that order's period; what exceeds the order names none.
CREATE TABLE orders AS
WITH usable AS (
    SELECT _row, customer_id, order_id, ordered_at, CAST(round(amount) AS BIGINT) AS amount, refund_of, has_several $extras
    FROM $usable
),
sales AS (
    SELECT * FROM usable WHERE refund_of IS NULL AND amount >= 0
),
named AS (
    SELECT usable._row, abs(usable.amount) AS refunded, sales._row AS sale, coalesce(sales.amount, 0) AS sold,
           sum(abs(usable.amount)) OVER (PARTITION BY coalesce(sales._row, -usable._row)
                                         ORDER BY usable.ordered_at, usable._row) AS so_far
    FROM usable LEFT JOIN sales ON sales.order_id = usable.refund_of
    WHERE usable.refund_of IS NOT NULL
),
excess AS (
    SELECT _row, sale, refunded, greatest(so_far - sold, 0) - greatest(so_far - refunded - sold, 0) AS refund FROM named
),
netted AS (
    SELECT sale, sum(refunded) AS refunded FROM named GROUP BY sale
)
SELECT usable.customer_id, usable.order_id, usable.ordered_at, CAST(usable.ordered_at AS DATE) AS day, usable._row,
       CAST(CASE WHEN usable.refund_of IS NULL AND usable.amount > 0
                 THEN greatest(usable.amount - coalesce(netted.refunded, 0), 0) ELSE 0 END AS BIGINT) AS amount,
       CAST(CASE WHEN usable.refund_of IS NOT NULL THEN excess.refund
                 WHEN usable.amount < 0 THEN -usable.amount ELSE 0 END AS BIGINT) AS refund,
       usable.refund_of IS NULL
           AND (usable.amount > coalesce(netted.refunded, 0) OR ($zero_is_purchase AND usable.amount = 0)) AS is_purchase,
       usable.refund_of IS NULL AND usable.amount = 0 AS is_zero, usable.has_several,
       excess.sale IS NOT NULL AS is_named, CAST(coalesce(excess.refunded, 0) AS BIGINT) AS refunded
       $usable_extras
FROM usable
LEFT JOIN netted ON netted.sale = usable._row
LEFT JOIN excess ON excess._row = usable._row;
