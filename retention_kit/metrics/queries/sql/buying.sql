(-- Spans of one period for each customer's purchases; whether a run of them begins and ends.
 SELECT customer_id, period AS from_period, period + 1 AS until_period, first_period,
            previous_period IS NULL OR previous_period < period - 1 AS begins,
            next_period IS NULL OR next_period > period + 1 AS ends
     FROM purchases_by_period)
