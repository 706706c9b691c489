(-- Who pays at the ends of spans: from where one begins to, to where they cease.
 SELECT customer_id, from_period, until_period, first_paid
     FROM (SELECT customer_id, from_period, mrr, first_paid,
                  lead(from_period, 1, $end) OVER (PARTITION BY customer_id ORDER BY from_period) AS until_period
           FROM $levels AS levels WHERE (mrr > 0) <> (mrr_before > 0)) AS turns
     WHERE mrr > 0 AND until_period > from_period)
