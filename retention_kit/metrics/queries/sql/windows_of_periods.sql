(-- When what each customer bought enters the last twelve months, leaves them and is forgotten, where all of a period does so at once.
 SELECT bought.customer_id, bought.period AS enters, own.leaves, own.forgotten, bought.next_period AS next_enters,
           later.leaves AS next_leaves, bought.purchases, bought.revenue, bought.entering, bought.leaving
    FROM bought
    JOIN trailing_days AS own ON own.enters = bought.period
    LEFT JOIN trailing_days AS later ON later.enters = bought.next_period)