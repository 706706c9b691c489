-- When one becomes a customer and ceases to be one: between the periods' ends, or day by day.
CREATE OR REPLACE TEMP TABLE turns AS
SELECT customer_id, $from_period AS period, CASE WHEN is_first THEN 'new' ELSE 'reactivated' END AS kind FROM $membership
UNION ALL
SELECT customer_id, $until_period, 'lost' FROM $membership WHERE until_period < $end
