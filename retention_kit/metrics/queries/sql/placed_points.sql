,
placed AS (
    SELECT coalesce(v.value, moves.own_value, $missing) AS segment_value, $keys moves.period, $columns
    FROM moves
    LEFT JOIN $values v ON v.customer_id = moves.customer_id
        AND v.from_period <= moves.period AND v.until_period > moves.period
    WHERE $looks_back = 0 OR v.from_period IS NULL OR v.from_period < moves.period
)
