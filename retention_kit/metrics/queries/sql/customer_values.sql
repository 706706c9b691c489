-- The segment value of each customer by period, that of the last row before its end: runs [from_period, until_period).
-- Before their first value, customers have none. Most have a single one: only the rows of the others (held > 1) are
-- sorted.
CREATE OR REPLACE TEMP TABLE $name AS
WITH pairs AS (
    SELECT customer_id, value, MIN(happened_at) AS first_at FROM ($rows) AS every_row GROUP BY customer_id, value
),
kinds AS (
    SELECT customer_id, MIN(value) AS value, MIN(first_at) AS first_at, COUNT(*) AS held
    FROM pairs GROUP BY customer_id
),
dated AS (
    $dated
),
latest AS (
    SELECT customer_id, period, value,
           row_number() OVER (PARTITION BY customer_id, period
                              ORDER BY happened_at DESC, place_of_table DESC, _row DESC) AS place
    FROM dated
),
changed AS (
    SELECT customer_id, period, value, lag(value) OVER (PARTITION BY customer_id ORDER BY period) AS value_before
    FROM latest WHERE place = 1
),
runs AS (
    SELECT customer_id, value, period AS from_period,
           lead(period, 1, $end) OVER (PARTITION BY customer_id ORDER BY period) AS until_period
    FROM changed
    WHERE value IS DISTINCT FROM value_before
)
SELECT customer_id, NULL AS value, $begin AS from_period, $first_period AS until_period FROM kinds
WHERE held = 1 AND value IS NOT NULL
UNION ALL
SELECT customer_id, $shown, $first_period, $end FROM kinds WHERE held = 1 AND value IS NOT NULL
UNION ALL
SELECT customer_id, NULL, $begin, MIN(from_period) FROM runs GROUP BY customer_id
UNION ALL
SELECT customer_id, value, from_period, until_period FROM runs
