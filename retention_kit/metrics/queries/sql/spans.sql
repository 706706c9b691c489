,
spans AS (
    SELECT segment_value, $keys from_period, until_period, $totals FROM placed
    GROUP BY segment_value, $keys from_period, until_period
),
steps AS (
    SELECT segment_value, $keys from_period AS period, $columns FROM spans
    UNION ALL
    SELECT segment_value, $keys until_period, $negatives FROM spans
)
-- What changes from one period to the next; running sums give the state.
SELECT segment_value, $keys period, $sums FROM steps GROUP BY segment_value, $keys period
