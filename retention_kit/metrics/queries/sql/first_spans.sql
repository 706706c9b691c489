JOIN (SELECT customer_id, $first_period AS first_period FROM $first AS first_spans GROUP BY customer_id) AS firsts
    ON firsts.customer_id = runs.customer_id
