
UNION ALL
-- Who joined and left on one day did both.
SELECT customer_id, $day, CASE WHEN is_first THEN 'new' ELSE 'reactivated' END
    FROM day_levels_leaving AS passing WHERE mrr_before = 0
    UNION ALL
    SELECT customer_id, $day, 'lost' FROM day_levels_leaving AS passing WHERE mrr_before = 0
