-- The spending of a sample of repeat buyers.
SELECT frequency, repeat_amount
FROM $spenders
WHERE day < $ends AND (next_day IS NULL OR next_day >= $ends) AND frequency > 0 AND repeat_amount > 0
ORDER BY $order
LIMIT $most
