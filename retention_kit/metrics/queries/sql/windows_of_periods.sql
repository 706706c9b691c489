(-- When what each customer bought enters the last twelve months, leaves them and is forgotten, where all of a period
 -- does so at once.
 SELECT held.customer_id, held.period AS enters, own.leaves, own.forgotten, held.next_period AS next_enters,
           later.leaves AS next_leaves, held.purchases, held.revenue, held.entering, held.leaving
    FROM purchases_by_period AS held
    JOIN trailing_days AS own ON own.enters = held.period
    LEFT JOIN trailing_days AS later ON later.enters = held.next_period)
