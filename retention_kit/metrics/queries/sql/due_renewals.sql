-- Members of some kinds whose next renewal is by $until: more units have passed by then than a whole number of
-- intervals.
, renewing AS (
    SELECT counted.customer_id, counted.billed, counted.units, CAST(counted.anchored AS VARCHAR) AS anchored_on,
           counted.step,
           CASE counted.unit WHEN 'day' THEN date_diff('day', counted.anchored, $until)
                             WHEN 'week' THEN floor(date_diff('day', counted.anchored, $until) / 7.0)
                             ELSE $months_until END AS units_then
    FROM counted $kinds
    WHERE counted.outcome = 'member'
),
happened AS (
    SELECT customer_id, billed, units, anchored_on
    FROM renewing WHERE floor(units_then / (step * 1.0)) > floor(units / (step * 1.0))
)
$found
