-- Subscriptions, collapsed, as what changes from one span to the next: running sums give how many there are of a kind.
-- One goes on (`running`) from the span at whose end it has begun; then it is `lost`, or `kept` for good, as another
-- took over. `units` are the whole months (weeks or days) that an ended one went on for, and tell of a running one when
-- it is counted from. Of a customer's that run together the first is the one of the member, from where no earlier one
-- runs any more (first_from), while they pay.
WITH dated AS (
    SELECT customer_id, billed, unit, anchored, until,
           $since_span AS from_period, $until_span AS until_period, $behind_span AS first_from,
           CASE WHEN until = run_until THEN 'lost' ELSE 'kept' END AS outcome,
           CASE WHEN until <> run_until THEN until WHEN has_grace = 1 THEN $days_before ELSE $day_before END AS ends
    FROM paid_stretches
),
moves AS (
    SELECT dated.customer_id, billed, 'running' AS outcome, CAST($counted_from AS INTEGER) AS units,
           greatest(dated.from_period, first_from, levels.from_period) AS from_period,
           least(dated.until_period, levels.until_period) AS until_period,
           1 AS customers, CASE WHEN mrr = 0 THEN 0 ELSE 1 END AS members, mrr
    FROM dated
    JOIN levels ON levels.customer_id = dated.customer_id AND levels.from_period < dated.until_period
        AND levels.until_period > dated.from_period AND levels.until_period > first_from
    WHERE first_from < dated.until_period
    UNION ALL
    SELECT customer_id, billed, 'running', CAST($counted_from AS INTEGER),
           from_period, least(until_period, first_from), 1, 0, 0
    FROM dated WHERE first_from > from_period AND until_period > from_period
    UNION ALL
    SELECT customer_id, billed, outcome,
           CAST(greatest(CASE unit WHEN 'day' THEN date_diff('day', anchored, ends)
                                   WHEN 'week' THEN floor(date_diff('day', anchored, ends) / 7.0)
                                   ELSE $months END, 0) AS INTEGER),
           until_period, $end, 1, 0, 0
    FROM dated WHERE until < $as_of
),
placed AS (
    SELECT coalesce(v.value, $missing) AS segment_value, billed, outcome, units $traits, $from AS from_period,
           $until AS until_period, customers, members, mrr
    FROM moves
    LEFT JOIN $values v ON v.customer_id = moves.customer_id
        AND v.from_period < moves.until_period AND v.until_period > moves.from_period
    $joins
),
spans AS (
    SELECT segment_value, billed, outcome, units $keys, from_period, until_period, SUM(customers) AS customers,
           SUM(members) AS members, SUM(mrr) AS mrr
    FROM placed WHERE from_period < until_period
    GROUP BY segment_value, billed, outcome, units $keys, from_period, until_period
),
steps AS (
    SELECT segment_value, billed, outcome, units $keys, from_period AS period, customers, members, mrr FROM spans
    UNION ALL
    SELECT segment_value, billed, outcome, units $keys, until_period, -customers, -members, -mrr
    FROM spans WHERE until_period < $end
)
SELECT segment_value, billed, outcome, units $keys, period, CAST(SUM(customers) AS BIGINT) AS customers,
       CAST(SUM(members) AS BIGINT) AS members, CAST(SUM(mrr) AS BIGINT) AS mrr
FROM steps
GROUP BY segment_value, billed, outcome, units $keys, period
