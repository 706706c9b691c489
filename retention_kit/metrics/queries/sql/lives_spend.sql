-- What repeat buyers spent, of as many of them as a model of spend needs: drawn by a digest of the id, which is the
-- same on every engine.
SELECT frequency, repeat_amount
FROM lives
WHERE frequency > 0 AND repeat_amount > 0
ORDER BY md5(customer_id), customer_id
LIMIT $most
