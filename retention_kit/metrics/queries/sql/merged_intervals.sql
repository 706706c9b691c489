-- Spans of a customer that touch become one run, [from_period, until_period), with the period in which the first
-- begins.
CREATE OR REPLACE TEMP TABLE $name AS
WITH touched AS (
    $touched
),
marked AS (
    SELECT customer_id, from_period, until_period,
           $first_period AS first_period,
           max(until_period) OVER (PARTITION BY customer_id ORDER BY from_period, until_period
                                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
    FROM touched
    WHERE until_period > from_period
),
numbered AS (
    SELECT *, SUM(CASE WHEN from_period <= reached THEN 0 ELSE 1 END)
                  OVER (PARTITION BY customer_id ORDER BY from_period, until_period) AS run
    FROM marked
)
SELECT customer_id, MIN(from_period) AS from_period, MAX(until_period) AS until_period,
       MIN(first_period) AS first_period
FROM numbered
GROUP BY customer_id, run
