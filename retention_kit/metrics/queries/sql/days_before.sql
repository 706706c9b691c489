,
       CASE WHEN lag(period) OVER (PARTITION BY customer_id ORDER BY period) = period - 1
            THEN lag(days) OVER (PARTITION BY customer_id ORDER BY period) ELSE 0 END AS days_before
