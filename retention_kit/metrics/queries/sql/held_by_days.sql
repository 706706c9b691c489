SELECT customer_id, period, purchases, revenue,
           2 * SUM(revenue) OVER (PARTITION BY customer_id ORDER BY period
                                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
               - revenue AS after_and_before
    FROM (
        SELECT customer_id, enters AS period, purchases, revenue FROM $windows AS windows
        UNION ALL
        SELECT customer_id, leaves, -purchases, -revenue FROM $windows AS windows WHERE leaves < $end
    ) AS events
