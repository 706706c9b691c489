SELECT customer_id, enters AS period, purchases, revenue, entering AS after_and_before
    FROM $windows AS windows
    UNION ALL
    SELECT customer_id, leaves, -purchases, -revenue, leaving FROM $windows AS windows WHERE leaves < $end
