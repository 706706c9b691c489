-- name: subscriptions_read
-- Subscriptions: typed spells, judged (`problem`), then paid spells with MRR in twelfths of an amount's units,
-- in its own currency.

CREATE TABLE subscriptions_read AS
SELECT $row $customer_id AS customer_id, $started_at AS started_at, $ended_at AS ended_at, $amount AS amount $stored $files $raw_extras
FROM subscriptions_raw;

-- name: subscriptions_reduced
-- A negative line is a discount of a customer who has something to lower.
CREATE TABLE subscriptions_reduced AS
SELECT customer_id FROM subscriptions_read
WHERE customer_id IN (SELECT customer_id FROM subscriptions_read WHERE amount < 0)
GROUP BY customer_id HAVING max(amount) > 0;

-- name: subscriptions_judged
CREATE VIEW subscriptions_judged AS
SELECT *, CASE WHEN customer_id IS NULL THEN 'no customer'
               WHEN outside THEN 'date outside 1970-2100'
               WHEN outside_end THEN 'end date outside 1970-2100'
               WHEN outside_trial THEN 'end date of the trial outside 1970-2100'
               WHEN started_at IS NULL THEN 'unreadable date'
               WHEN unreadable_end THEN 'unreadable end date'
               WHEN unreadable_trial THEN 'unreadable end date of the trial'
               WHEN amount IS NULL OR (amount < 0 AND customer_id NOT IN (SELECT customer_id FROM subscriptions_reduced))
               THEN 'unreadable amount'
               WHEN billed NOT IN ($intervals) THEN 'unknown interval'
               WHEN status NOT IN ('paused', 'trialing', 'unpaid', 'free', 'future', 'active', 'past_due', 'cancelled')
               THEN 'unknown status'
               WHEN ended_at < started_at THEN 'ended before it started'
               WHEN CAST(ended_at AS DATE) <= $rates_begin THEN 'no exchange rate yet' END AS fault
FROM (SELECT * $absent FROM subscriptions_read) AS source_rows;

-- name: subscriptions_repeated
-- Most spells have a subscription_id and start of their own: only the others are compared.
CREATE TABLE subscriptions_repeated AS
SELECT $key AS key, started_at FROM subscriptions_judged
WHERE $has_key AND $key IS NOT NULL AND fault IS NULL
GROUP BY $key, started_at HAVING count(*) > 1;

-- name: subscriptions_rest
-- What else stands in the rows to be compared.
CREATE TABLE subscriptions_rest AS
SELECT _row $raw_rest FROM subscriptions_raw
WHERE _row IN (
    SELECT _row FROM subscriptions_judged
    WHERE fault IS NULL
        AND ($key IS NULL OR ($key, started_at) IN (SELECT key, started_at FROM subscriptions_repeated)));

-- name: subscriptions_problems
-- The spells set aside.
CREATE TABLE subscriptions_problems AS
WITH ranked AS (
    SELECT judged._row, judged.subscription_id, judged.amount,
           row_number() OVER (PARTITION BY subscription_id, started_at, customer_id, ended_at, trial_ends_at, amount,
                              billed, status, cancel_reason, currency $extras $rest ORDER BY judged._row) AS same_row,
           dense_rank() OVER (PARTITION BY subscription_id, started_at, amount < 0 ORDER BY amount, customer_id, ended_at,
                              trial_ends_at, billed, status, cancel_reason, currency $extras $rest) AS same_key
    FROM subscriptions_judged AS judged $rest_joined
    WHERE fault IS NULL
        AND ($key IS NULL OR ($key, started_at) IN (SELECT key, started_at FROM subscriptions_repeated))
)
SELECT _row, fault AS problem FROM subscriptions_judged WHERE fault IS NOT NULL
UNION ALL
SELECT _row, CASE WHEN same_row > 1 THEN 'identical row' ELSE 'same subscription_id and start, other contents' END AS problem
FROM ranked WHERE same_row > 1 OR (subscription_id IS NOT NULL AND same_key > 1 AND amount >= 0);

-- name: subscriptions_typed
CREATE VIEW subscriptions_typed AS
SELECT spells._row, spells._ambiguous, spells._nonexistent, spells._no_end, spells.customer_id, spells.subscription_id, spells.started_at,
       spells.ended_at, spells.trial_ends_at, spells.amount, spells.billed, spells.status, spells.cancel_reason,
       spells.currency $files $spells_extras, $problem AS problem
FROM subscriptions_judged AS spells $problems_joined;
