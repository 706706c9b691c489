-- Orders: typed rows, judged (`problem`), then netted against the refunds that name them.

CREATE TABLE orders_read AS
SELECT _row, _is_line, _like, _ambiguous, _nonexistent, $customer_id AS customer_id, $order_id AS order_id,
       $ordered_at AS ordered_at, $ordered_at_outside AS outside, $amount AS amount $raw_refunded $raw_optional $files $raw_extras
FROM orders_raw;

CREATE VIEW orders_judged AS
SELECT *, CASE WHEN outside THEN 'date outside 1970-2100'
               WHEN ordered_at IS NULL THEN 'unreadable date'
               WHEN amount IS NULL THEN 'unreadable amount'
               WHEN refunded IS NULL AND refunded_text IS NOT NULL THEN 'unreadable refunded amount'
               WHEN CAST(ordered_at AS DATE) < $rates_begin THEN 'no exchange rate yet' END AS fault
FROM (SELECT * $absent FROM orders_read) AS came;

-- Most rows have an order_id of their own: only the others are compared.
CREATE TABLE orders_repeated AS
SELECT order_id FROM orders_judged
WHERE $has_key AND order_id IS NOT NULL AND fault IS NULL AND NOT _is_line
GROUP BY order_id HAVING count(*) > 1;

-- What else stands in the rows to be compared.
CREATE TABLE orders_rest AS
SELECT _row $raw_rest FROM orders_raw
WHERE $has_rest AND _row IN (
    SELECT _row FROM orders_judged
    WHERE fault IS NULL AND NOT _is_line
        AND (order_id IS NULL OR order_id IN (SELECT order_id FROM orders_repeated)));

-- The rows set aside.
CREATE TABLE orders_problems AS
WITH ranked AS (
    SELECT judged._row, judged.order_id,
           row_number() OVER (PARTITION BY order_id, ordered_at, amount, customer_id, refund_of, refunded, currency $extras
                              $rest ORDER BY judged._row) AS same_row,
           dense_rank() OVER (PARTITION BY order_id ORDER BY ordered_at, amount, coalesce(refunded, 0) DESC, customer_id,
                              refund_of, currency $extras $rest) AS same_key
    FROM orders_judged AS judged LEFT JOIN orders_rest AS rest ON rest._row = judged._row
    WHERE fault IS NULL AND NOT _is_line
        AND (order_id IS NULL OR order_id IN (SELECT order_id FROM orders_repeated))
)
SELECT _row, fault AS problem FROM orders_judged WHERE fault IS NOT NULL
UNION ALL
SELECT _row, CASE WHEN same_row > 1 THEN 'identical row' ELSE 'same order_id, other contents' END AS problem
FROM ranked WHERE same_row > 1 OR (order_id IS NOT NULL AND same_key > 1)
$overlap;

CREATE VIEW orders_typed AS
SELECT orders._row, orders._is_line, orders._like, orders._ambiguous, orders._nonexistent, orders.customer_id, orders.order_id,
       orders.ordered_at, orders.amount, orders.refund_of, orders.refunded, orders.currency $files $orders_extras, problems.problem
FROM orders_judged AS orders LEFT JOIN orders_problems AS problems ON problems._row = orders._row;

-- What is known at the as-of date. `rate_day` is the day at whose rate it converts; `own` tells lines without an order_id apart.
CREATE VIEW orders_known AS
SELECT _row, _is_line, customer_id, order_id, ordered_at, amount, refund_of, refunded, currency $extras,
       CAST(ordered_at AS DATE) AS rate_day, CASE WHEN order_id IS NULL THEN _row END AS own, false AS has_several
FROM orders_typed WHERE problem IS NULL AND ordered_at < $as_of;

-- What is refunded without a date (`undated`) lowers its own order, never below zero; `beyond` is what exceeds it.
CREATE VIEW orders_usable AS
SELECT _row, customer_id, order_id, ordered_at, amount, refund_of, has_several,
       least(refunded, sold) AS undated, refunded - least(refunded, sold) AS beyond $extras
FROM (
    SELECT _row, customer_id, order_id, ordered_at, CAST(round(amount) AS BIGINT) AS amount, refund_of, has_several,
           CAST(round(coalesce(refunded, 0)) AS BIGINT) AS refunded,
           CAST(CASE WHEN refund_of IS NULL AND amount > 0 THEN round(amount) ELSE 0 END AS BIGINT) AS sold $extras
    FROM $usable
) AS came;

-- What a refund takes from the order it names (`sale`); what exceeds the order names none (`refund`).
CREATE TABLE orders_refunds AS
WITH named AS (
    SELECT refunds._row, abs(refunds.amount) AS refunded, sales._row AS sale, coalesce(sales.amount - sales.undated, 0) AS sold,
           sum(abs(refunds.amount)) OVER (PARTITION BY coalesce(sales._row, -refunds._row)
                                          ORDER BY refunds.ordered_at, refunds._row) AS so_far
    FROM orders_usable AS refunds
    LEFT JOIN orders_usable AS sales
        ON sales.order_id = refunds.refund_of AND sales.refund_of IS NULL AND sales.amount >= 0
    WHERE refunds.refund_of IS NOT NULL
)
SELECT _row, sale, refunded, greatest(so_far - sold, 0) - greatest(so_far - refunded - sold, 0) AS refund FROM named;

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
