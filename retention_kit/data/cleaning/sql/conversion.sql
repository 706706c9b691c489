-- name: orders_converted
-- Orders in the report's currency. A refund converts as the order it names, if in the same currency: all of it stays
-- all. What exceeds the order names none, and is worth `own_worth` times as much, by the rate of its own day. What is
-- too large to be a BIGINT has no amount, and is refused.
CREATE TABLE orders_converted AS
WITH sales AS (
    SELECT order_id, currency, rate_day FROM $rows WHERE refund_of IS NULL AND amount >= 0
),
dated AS (
    SELECT orders._row, orders._is_line, orders.customer_id, orders.order_id, orders.ordered_at, orders.amount,
           orders.refund_of, orders.refunded, orders.currency $orders_extras, coalesce(sales.rate_day, orders.rate_day) AS named_day,
           orders.rate_day AS own_day,
           orders.own, orders.has_several
    FROM $rows AS orders
    LEFT JOIN sales ON sales.order_id = orders.refund_of AND sales.currency = orders.currency
),
placed AS (
    SELECT *, CASE WHEN named_day < $rates_begin THEN $rates_begin ELSE named_day END AS rate_day,
           CASE WHEN own_day < $rates_begin THEN $rates_begin ELSE own_day END AS own_rate_day
    FROM dated
),
-- A rate holds until the next one. Days are few: each finds its rate once.
lasting AS (
    SELECT currency, rate, day, lead(day) OVER (PARTITION BY currency ORDER BY day) AS next_day FROM rates
),
daily AS (
    SELECT days.currency, days.rate_day, lasting.rate
    FROM (SELECT currency, rate_day FROM placed WHERE currency IS NOT NULL
          UNION SELECT currency, own_rate_day FROM placed WHERE currency IS NOT NULL AND own_rate_day <> rate_day) AS days
    JOIN lasting ON lasting.currency = days.currency AND lasting.day <= days.rate_day
        AND (lasting.next_day > days.rate_day OR lasting.next_day IS NULL)
)
SELECT placed._row, placed._is_line, placed.customer_id, placed.order_id, placed.ordered_at,
       CASE WHEN placed.currency IS NULL THEN placed.amount
            WHEN greatest(abs(placed.amount), coalesce(placed.refunded, 0)) * daily.rate < 9.2e18
            THEN CAST(round(placed.amount * daily.rate) AS BIGINT) END AS amount,
       placed.refund_of,
       CASE WHEN placed.currency IS NULL THEN placed.refunded
            WHEN placed.refunded * daily.rate < 9.2e18 THEN CAST(round(placed.refunded * daily.rate) AS BIGINT) END AS refunded,
       placed.currency $placed_extras, placed.rate_day, placed.own, placed.has_several,
       CASE WHEN placed.own_rate_day = placed.rate_day OR placed.currency IS NULL THEN 1.0 ELSE own_daily.rate / daily.rate END AS own_worth
FROM placed
LEFT JOIN daily ON daily.currency = placed.currency AND daily.rate_day = placed.rate_day
LEFT JOIN daily AS own_daily ON own_daily.currency = placed.currency AND own_daily.rate_day = placed.own_rate_day
    AND placed.own_rate_day <> placed.rate_day;
