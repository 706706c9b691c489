(-- When customers begin and cease to be ones.
 SELECT customer_id, $from_period AS period,
            CASE WHEN from_period = first_period THEN 'new' ELSE 'reactivated' END AS kind
     FROM $membership AS members
     WHERE begins
     UNION ALL
     SELECT customer_id, $until_period, 'lost' FROM $membership AS members WHERE ends AND until_period < $end $passing)
