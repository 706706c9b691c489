-- Subscriptions so far, grouped; `later` is what happened to the members afterwards.
SELECT coalesce(v.value, $missing) AS segment_value, billed, outcome, units $traits,
       COUNT(*) AS customers, CAST(SUM(CASE WHEN outcome = 'member' THEN mrr ELSE 0 END) AS BIGINT) AS mrr $later
FROM counted
LEFT JOIN $values v ON v.customer_id = counted.customer_id AND v.from_period <= $span AND v.until_period > $span
$joins
GROUP BY $groups
ORDER BY $groups
