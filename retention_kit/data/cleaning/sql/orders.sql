-- name: orders_known
-- What is known at the as-of date. `rate_day` is the day at whose rate it converts; `own` tells lines without an
-- order_id apart.
CREATE VIEW orders_known AS
SELECT _row, _is_line, customer_id, order_id, ordered_at, amount, refund_of, refunded, currency $extras,
       CAST(ordered_at AS DATE) AS rate_day, CASE WHEN order_id IS NULL THEN _row END AS own, false AS has_several, 1.0 AS own_worth
FROM orders_typed WHERE problem IS NULL AND ordered_at < $as_of;

-- name: orders_usable
-- What is refunded without a date (`undated`) lowers its own order, never below zero; `beyond` is what exceeds it.
CREATE VIEW orders_usable AS
SELECT _row, customer_id, order_id, ordered_at, amount, refund_of, has_several, own_worth,
       $undated AS undated, $beyond AS beyond $extras
FROM (
    SELECT _row, customer_id, order_id, ordered_at, $rounded_amount AS amount, refund_of, has_several, own_worth,
           CAST(round(coalesce(refunded, 0)) AS BIGINT) AS refunded,
           CAST(CASE WHEN refund_of IS NULL AND amount > 0 THEN round(amount) ELSE 0 END AS BIGINT) AS sold $extras
    FROM $usable
) AS source_rows;

-- name: orders_refunds
-- What a refund takes from the order it names (`sale`); what exceeds the order names none (`refund`).
CREATE TABLE orders_refunds AS
WITH named AS (
    SELECT refunds._row, abs(refunds.amount) AS refunded, refunds.own_worth, sales._row AS sale, coalesce(sales.amount - sales.undated, 0) AS sold,
           sum(abs(refunds.amount)) OVER (PARTITION BY coalesce(sales._row, -refunds._row)
                                          ORDER BY refunds.ordered_at, refunds._row) AS so_far
    FROM orders_usable AS refunds
    LEFT JOIN orders_usable AS sales
        ON sales.order_id = refunds.refund_of AND sales.refund_of IS NULL AND sales.amount >= 0
    WHERE refunds.refund_of IS NOT NULL
)
SELECT _row, sale, refunded, CASE WHEN own_worth = 1 THEN excess ELSE CAST(round(excess * own_worth) AS BIGINT) END AS refund
FROM (
    SELECT *, greatest(so_far - sold, 0) - greatest(so_far - refunded - sold, 0) AS excess FROM named
) AS exceeding;

-- name: orders
-- A refund lowers the order it names, in that order's period.
CREATE $made_as orders AS
WITH netted AS (
    SELECT sale, sum(refunded) AS refunded FROM orders_refunds GROUP BY sale
)
SELECT usable.customer_id, usable.order_id, usable.ordered_at, CAST(usable.ordered_at AS DATE) AS day, usable._row,
       CAST(CASE WHEN usable.refund_of IS NULL AND usable.amount > 0
                 THEN greatest(usable.amount - usable.undated - coalesce(netted.refunded, 0), 0) ELSE 0 END AS BIGINT) AS amount,
       CAST(CASE WHEN usable.refund_of IS NOT NULL THEN excess.refund
                 WHEN usable.amount < 0 THEN -usable.amount ELSE 0 END AS BIGINT) AS refund,
       usable.refund_of IS NULL
           AND (usable.amount > usable.undated + coalesce(netted.refunded, 0) OR ($zero_is_purchase AND usable.amount = 0)) AS is_purchase,
       usable.refund_of IS NULL AND usable.amount = 0 AS is_zero, usable.has_several,
       excess.sale IS NOT NULL AS is_named, CAST(coalesce(excess.refunded, 0) AS BIGINT) AS refunded,
       usable.undated, usable.beyond
       $usable_extras
FROM orders_usable AS usable
LEFT JOIN netted ON netted.sale = usable._row
LEFT JOIN orders_refunds AS excess ON excess._row = usable._row;

-- name: orders_without_refunds
-- The same where no refund names an order.
CREATE $made_as orders AS
SELECT customer_id, order_id, ordered_at, CAST(ordered_at AS DATE) AS day, _row,
       CAST(CASE WHEN amount > undated THEN amount - undated ELSE 0 END AS BIGINT) AS amount,
       CAST(CASE WHEN amount < 0 THEN -amount ELSE 0 END AS BIGINT) AS refund,
       amount > undated OR ($zero_is_purchase AND amount = 0) AS is_purchase,
       amount = 0 AS is_zero, has_several, false AS is_named, CAST(0 AS BIGINT) AS refunded, undated, beyond $extras
FROM orders_usable;
