,
placed AS (
    SELECT coalesce(v.value, $missing) AS segment_value, $keys
           greatest(moves.from_period, coalesce(v.from_period + $looks_back, moves.from_period)) AS from_period,
           least(moves.until_period, coalesce(v.until_period, moves.until_period)) AS until_period, $columns
    FROM moves
    LEFT JOIN $values v ON v.customer_id = moves.customer_id
        AND v.from_period < moves.until_period AND v.until_period > moves.from_period
    WHERE v.from_period IS NULL OR v.from_period + $looks_back < moves.until_period
)
