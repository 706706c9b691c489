-- Order lines, summed: of each order at its earliest time. Whole orders beside them stay as they are.
CREATE TABLE $into AS
WITH summed AS (
    SELECT min(_row) AS _row, order_id, refund_of, own, $currency AS currency, min(ordered_at) AS ordered_at, sum(amount) AS amount,
           arg_min(customer_id, {'at': ordered_at, 'row': _row}) FILTER (customer_id IS NOT NULL) AS customer_id,
           bool_or(has_several) OR coalesce(min(customer_id) <> max(customer_id), false) AS has_several
           $agreed_extras
    FROM $rows WHERE _is_line GROUP BY ALL
)
SELECT *, true AS _is_line, CAST(min(ordered_at) OVER (PARTITION BY order_id, refund_of, own) AS DATE) AS rate_day FROM summed
UNION ALL BY NAME
SELECT * FROM $rows WHERE NOT _is_line;
