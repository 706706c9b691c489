,
placed AS (
    SELECT coalesce(v.value, $missing) AS segment_value, $keys
           greatest(moves.from_period, coalesce(v.from_period, moves.from_period)) AS from_period,
           least(moves.until_period, coalesce(v.until_period, moves.until_period)) AS until_period, $columns
    FROM moves
    LEFT JOIN $values v ON v.customer_id = moves.customer_id
        AND v.from_period < moves.until_period AND v.until_period > moves.from_period
),
steps AS (
    SELECT segment_value, $keys from_period AS period, $columns FROM placed
    UNION ALL
    SELECT segment_value, $keys until_period, $negatives FROM placed
)
-- What changes from one period to the next; running sums give the state.
SELECT segment_value, $keys period, $sums FROM steps GROUP BY segment_value, $keys period
