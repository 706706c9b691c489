-- Subscriptions: typed spells, judged (`problem`), then paid spells with MRR in twelfths of an amount's units,
-- in its own currency.

CREATE TABLE subscriptions_read AS
SELECT _row, _ambiguous, _nonexistent, _no_end, $customer_id AS customer_id, $subscription_id AS subscription_id, $started_at AS started_at,
       $ended_at AS ended_at, $trial_ends_at AS trial_ends_at, $amount AS amount,
       $started_at_outside AS outside, $ended_at_outside AS outside_end, $trial_ends_at_outside AS outside_trial,
       $ended_at_unreadable AS unreadable_end, $trial_ends_at_unreadable AS unreadable_trial,
       coalesce($interval, 'month') AS billed, $status AS status,
       $cancel_reason AS cancel_reason, $currency AS currency $files $raw_extras
FROM subscriptions_raw;

CREATE VIEW subscriptions_judged AS
SELECT *, CASE WHEN customer_id IS NULL THEN 'no customer'
               WHEN outside THEN 'date outside 1970-2100'
               WHEN outside_end THEN 'end date outside 1970-2100'
               WHEN outside_trial THEN 'end date of the trial outside 1970-2100'
               WHEN started_at IS NULL THEN 'unreadable date'
               WHEN unreadable_end THEN 'unreadable end date'
               WHEN unreadable_trial THEN 'unreadable end date of the trial'
               WHEN amount IS NULL OR amount < 0 THEN 'unreadable amount'
               WHEN billed NOT IN ($intervals) THEN 'unknown interval'
               WHEN status NOT IN ('paused', 'trialing', 'unpaid', 'free', 'future', 'active', 'past_due', 'cancelled')
               THEN 'unknown status'
               WHEN ended_at < started_at THEN 'ended before it started'
               WHEN CAST(ended_at AS DATE) <= $rates_begin THEN 'no exchange rate yet' END AS fault
FROM subscriptions_read;

-- Most spells have a subscription_id and start of their own: only the others are compared.
CREATE TABLE subscriptions_repeated AS
SELECT subscription_id, started_at FROM subscriptions_judged
WHERE $has_key AND subscription_id IS NOT NULL AND fault IS NULL
GROUP BY subscription_id, started_at HAVING count(*) > 1;

-- What else stands in the rows to be compared.
CREATE TABLE subscriptions_rest AS
SELECT _row $raw_rest FROM subscriptions_raw
WHERE $has_rest AND _row IN (
    SELECT _row FROM subscriptions_judged
    WHERE fault IS NULL
        AND (subscription_id IS NULL
             OR (subscription_id, started_at) IN (SELECT subscription_id, started_at FROM subscriptions_repeated)));

-- The spells set aside.
CREATE TABLE subscriptions_problems AS
WITH ranked AS (
    SELECT judged._row, judged.subscription_id,
           row_number() OVER (PARTITION BY subscription_id, started_at, customer_id, ended_at, trial_ends_at, amount,
                              billed, status, cancel_reason, currency $extras $rest ORDER BY judged._row) AS same_row,
           dense_rank() OVER (PARTITION BY subscription_id, started_at ORDER BY amount, customer_id, ended_at,
                              trial_ends_at, billed, status, cancel_reason, currency $extras $rest) AS same_key
    FROM subscriptions_judged AS judged LEFT JOIN subscriptions_rest AS rest ON rest._row = judged._row
    WHERE fault IS NULL
        AND (subscription_id IS NULL
             OR (subscription_id, started_at) IN (SELECT subscription_id, started_at FROM subscriptions_repeated))
)
SELECT _row, fault AS problem FROM subscriptions_judged WHERE fault IS NOT NULL
UNION ALL
SELECT _row, CASE WHEN same_row > 1 THEN 'identical row' ELSE 'same subscription_id and start, other contents' END AS problem
FROM ranked WHERE same_row > 1 OR (subscription_id IS NOT NULL AND same_key > 1);

CREATE VIEW subscriptions_typed AS
SELECT spells._row, spells._ambiguous, spells._nonexistent, spells._no_end, spells.customer_id, spells.subscription_id, spells.started_at,
       spells.ended_at, spells.trial_ends_at, spells.amount, spells.billed, spells.status, spells.cancel_reason,
       spells.currency $files $spells_extras, problems.problem
FROM subscriptions_read AS spells LEFT JOIN subscriptions_problems AS problems ON problems._row = spells._row;

CREATE VIEW subscriptions_counted AS
WITH valued AS (
    SELECT *,
           greatest(started_at, coalesce(trial_ends_at, started_at)) AS paid_from,
           CASE WHEN ended_at < $as_of THEN ended_at END AS paid_until,
           $yearly AS yearly
    FROM subscriptions_typed WHERE problem IS NULL AND started_at < $as_of
),
usable AS (
    SELECT *, CASE WHEN status IN ('paused', 'trialing', 'unpaid', 'free', 'future') THEN 0 ELSE yearly END AS mrr FROM valued
)
SELECT *, mrr > 0 AND paid_from < coalesce(paid_until, $as_of) AS is_paid,
       CASE WHEN status IN ('paused', 'trialing', 'unpaid', 'free', 'future') THEN status
            WHEN amount = 0 THEN 'amount 0'
            WHEN ended_at <= started_at THEN 'ended as it started'
            WHEN trial_ends_at >= $as_of AND paid_until IS NULL THEN 'in trial'
            ELSE 'trial never paid' END AS unpaid_kind
FROM usable;

-- A gap of at most 24 hours in all of a customer's paid spells is no gap: the spell before it is stretched.
CREATE TABLE subscriptions_gaps AS
WITH following AS (
    SELECT customer_id, _row,
           max(coalesce(paid_until, $as_of)) OVER (PARTITION BY customer_id ORDER BY paid_from, _row) AS last_end,
           lead(paid_from) OVER (PARTITION BY customer_id ORDER BY paid_from, _row) AS next_from
    FROM subscriptions_counted WHERE is_paid
)
SELECT customer_id, last_end, min(next_from) AS next_from FROM following
WHERE next_from > last_end
    AND instant_at(next_from, $zone) <= instant_at(last_end, $zone) + INTERVAL 24 HOUR  -- also where clocks change
GROUP BY customer_id, last_end;

CREATE TABLE subscriptions AS
SELECT counted.customer_id, counted.subscription_id, counted.started_at, counted._row, counted.cancel_reason,
       counted.paid_from,
       CASE WHEN counted.is_paid THEN coalesce(gaps.next_from, counted.paid_until) ELSE counted.paid_until END
           AS paid_until,
       CAST(CASE WHEN counted.is_paid THEN counted.mrr ELSE 0 END AS BIGINT) AS mrr, counted.currency, counted.status,
       CASE WHEN NOT counted.is_paid THEN counted.unpaid_kind END AS unpaid_kind,
       gaps.next_from IS NOT NULL AND counted.is_paid AS is_bridged
       $counted_extras
FROM subscriptions_counted AS counted
LEFT JOIN subscriptions_gaps AS gaps ON gaps.customer_id = counted.customer_id AND gaps.last_end = counted.paid_until;
