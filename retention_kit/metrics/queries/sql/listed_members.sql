-- The members of some kinds, sorted by $rank.
, listed AS (
    SELECT counted.customer_id, counted.billed, units, mrr, kinds.leaving, kinds.chance, kinds.usual,
           CAST(since AS VARCHAR) AS since, CAST(anchored AS VARCHAR) AS anchored,
           coalesce(v.value, $missing) AS segment_value $traits
    FROM counted
    LEFT JOIN $values v ON v.customer_id = counted.customer_id AND v.from_period <= $span AND v.until_period > $span
    $joins
    JOIN member_kinds AS kinds ON kinds.billed = counted.billed AND kinds.kind_units = counted.units $alike
    WHERE outcome = 'member'
),
wanted AS (
    SELECT *, COUNT(*) OVER () AS in_all FROM listed WHERE $wanted
)
SELECT * FROM wanted
ORDER BY $rank DESC, customer_id
LIMIT $most
