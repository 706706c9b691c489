-- Basis orders: a customer is one in the periods with a purchase.
CREATE OR REPLACE TEMP VIEW membership AS
SELECT customer_id, from_period, until_period,
       from_period = MIN(from_period) OVER (PARTITION BY customer_id) AS is_first
FROM activity
