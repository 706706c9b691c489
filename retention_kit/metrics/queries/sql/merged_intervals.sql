-- Adjacent spans of a customer merged into runs [from_period, until_period), with the first period of the first one. A
-- run ends where the next span begins after the latest end so far.
CREATE OR REPLACE TEMP TABLE $name AS
WITH touched AS (
    $touched
),
marked AS (
    SELECT customer_id, from_period, until_period,
           $first_period AS first_period,
           max(until_period) OVER (PARTITION BY customer_id ORDER BY from_period, until_period
                                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached,
           max(until_period) OVER (PARTITION BY customer_id ORDER BY from_period, until_period
                                   ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS last_until
    FROM touched
    WHERE until_period > from_period
)
SELECT customer_id, from_period,
       coalesce(lead(reached) OVER (PARTITION BY customer_id ORDER BY from_period), last_until) AS until_period,
       first_period
FROM marked
WHERE reached IS NULL OR from_period > reached
