-- name: orders_read
-- Orders: typed rows, judged (`problem`), then netted against the refunds that name them.

CREATE TABLE orders_read AS
SELECT $row $customer_id AS customer_id, $ordered_at AS ordered_at, $amount AS amount $stored $files $raw_extras
FROM orders_raw;

-- name: orders_judged
CREATE VIEW orders_judged AS
SELECT *, CASE WHEN outside THEN 'date outside 1970-2100'
               WHEN ordered_at IS NULL THEN 'unreadable date'
               WHEN amount IS NULL THEN 'unreadable amount'
               WHEN refunded IS NULL AND refunded_text IS NOT NULL THEN 'unreadable refunded amount'
               WHEN CAST(ordered_at AS DATE) < $rates_begin THEN 'no exchange rate yet' END AS fault
FROM (SELECT * $absent FROM orders_read) AS source_rows;

-- name: orders_repeated
-- Most rows have an order_id of their own: only the others are compared.
CREATE TABLE orders_repeated AS
SELECT $key AS key FROM orders_judged
WHERE $has_key AND $key IS NOT NULL AND fault IS NULL AND NOT _is_line
GROUP BY $key HAVING count(*) > 1;

-- name: orders_rest
-- What else stands in the rows to be compared.
CREATE TABLE orders_rest AS
SELECT _row $raw_rest FROM orders_raw
WHERE _row IN (
    SELECT _row FROM orders_judged
    WHERE fault IS NULL AND NOT _is_line
        AND ($key IS NULL OR $key IN (SELECT key FROM orders_repeated)));

-- name: orders_problems
-- The rows set aside.
CREATE TABLE orders_problems AS
WITH ranked AS (
    SELECT judged._row, judged.order_id,
           row_number() OVER (PARTITION BY order_id, ordered_at, amount, customer_id, refund_of, refunded, currency $extras
                              $rest ORDER BY judged._row) AS same_row,
           dense_rank() OVER (PARTITION BY order_id ORDER BY ordered_at, amount, coalesce(refunded, 0) DESC, customer_id,
                              refund_of, currency $extras $rest) AS same_key
    FROM orders_judged AS judged $rest_joined
    WHERE fault IS NULL AND NOT _is_line
        AND ($key IS NULL OR $key IN (SELECT key FROM orders_repeated))
)
SELECT _row, fault AS problem FROM orders_judged WHERE fault IS NOT NULL
UNION ALL
SELECT _row, CASE WHEN same_row > 1 THEN 'identical row' ELSE 'same order_id, other contents' END AS problem
FROM ranked WHERE same_row > 1 OR (order_id IS NOT NULL AND same_key > 1)
$overlap;

-- name: orders_typed
CREATE VIEW orders_typed AS
SELECT orders._row, orders._is_line, orders._like, orders._ambiguous, orders._nonexistent, orders.customer_id, orders.order_id,
       orders.ordered_at, orders.amount, orders.refund_of, orders.refunded, orders.currency $files $orders_extras, $problem AS problem
FROM orders_judged AS orders $problems_joined;
