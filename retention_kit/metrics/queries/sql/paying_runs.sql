(-- Spans at whose ends customers pay.
 SELECT customer_id, from_period, until_period, first_paid
     FROM (SELECT customer_id, from_period, mrr, first_paid,
                  lead(from_period, 1, $end) OVER (PARTITION BY customer_id ORDER BY from_period) AS until_period
           FROM $levels AS levels WHERE (mrr > 0) <> (mrr_before > 0)) AS changes
     WHERE mrr > 0 AND until_period > from_period)
