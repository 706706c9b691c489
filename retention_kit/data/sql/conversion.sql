-- Orders in the report's currency. A refund converts as the order it names, if in the same currency: all of it stays all.
CREATE TABLE orders_converted AS
WITH sales AS (
    SELECT order_id, currency, rate_day FROM $rows WHERE refund_of IS NULL AND amount >= 0
),
dated AS (
    SELECT orders.* REPLACE (coalesce(sales.rate_day, orders.rate_day) AS rate_day)
    FROM $rows AS orders
    LEFT JOIN sales ON sales.order_id = orders.refund_of AND sales.currency = orders.currency
),
converted AS (
    SELECT * REPLACE (greatest(rate_day, $rates_begin) AS rate_day) FROM dated
)
SELECT converted.* REPLACE (
           CASE WHEN converted.currency IS NULL THEN amount ELSE CAST(round(amount * rate) AS DECIMAL(38, 6)) END AS amount
       )
FROM converted ASOF LEFT JOIN rates ON rates.currency = converted.currency AND rates.day <= converted.rate_day;
