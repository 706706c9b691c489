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

-- A negative line is a discount of a customer who has something to lower.
CREATE TABLE subscriptions_reduced AS
SELECT customer_id FROM subscriptions_read
WHERE customer_id IN (SELECT customer_id FROM subscriptions_read WHERE amount < 0)
GROUP BY customer_id HAVING max(amount) > 0;

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
    SELECT judged._row, judged.subscription_id, judged.amount,
           row_number() OVER (PARTITION BY subscription_id, started_at, customer_id, ended_at, trial_ends_at, amount,
                              billed, status, cancel_reason, currency $extras $rest ORDER BY judged._row) AS same_row,
           dense_rank() OVER (PARTITION BY subscription_id, started_at, amount < 0 ORDER BY amount, customer_id, ended_at,
                              trial_ends_at, billed, status, cancel_reason, currency $extras $rest) AS same_key
    FROM subscriptions_judged AS judged LEFT JOIN subscriptions_rest AS rest ON rest._row = judged._row
    WHERE fault IS NULL
        AND (subscription_id IS NULL
             OR (subscription_id, started_at) IN (SELECT subscription_id, started_at FROM subscriptions_repeated))
)
SELECT _row, fault AS problem FROM subscriptions_judged WHERE fault IS NOT NULL
UNION ALL
SELECT _row, CASE WHEN same_row > 1 THEN 'identical row' ELSE 'same subscription_id and start, other contents' END AS problem
FROM ranked WHERE same_row > 1 OR (subscription_id IS NOT NULL AND same_key > 1 AND amount >= 0);

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

CREATE VIEW subscriptions_spells AS
SELECT counted.customer_id, counted.subscription_id, counted.started_at, counted._row, counted.cancel_reason,
       counted.paid_from,
       CASE WHEN counted.is_paid THEN coalesce(gaps.next_from, counted.paid_until) ELSE counted.paid_until END
           AS paid_until,
       CAST(CASE WHEN counted.is_paid THEN counted.mrr ELSE 0 END AS BIGINT) AS mrr, counted.currency, counted.status,
       CASE WHEN NOT counted.is_paid THEN counted.unpaid_kind END AS unpaid_kind,
       gaps.next_from IS NOT NULL AND counted.is_paid AS is_bridged
       $counted_extras
FROM subscriptions_counted AS counted
LEFT JOIN subscriptions_gaps AS gaps ON gaps.customer_id = counted.customer_id AND gaps.last_end = counted.paid_until
WHERE counted.amount >= 0;

-- Discounts, bridged where the spells are.
CREATE TABLE subscriptions_discounts AS
SELECT counted._row, counted.customer_id, coalesce(counted.currency, '') AS code, counted.paid_from,
       coalesce(gaps.next_from, counted.paid_until) AS paid_until, CAST(-counted.mrr AS BIGINT) AS discount
FROM subscriptions_counted AS counted
LEFT JOIN subscriptions_gaps AS gaps ON gaps.customer_id = counted.customer_id AND gaps.last_end = counted.paid_until
WHERE counted.mrr < 0 AND counted.paid_from < coalesce(counted.paid_until, $as_of);

CREATE TABLE subscriptions_before_discounts AS
SELECT *, coalesce(currency, '') AS code FROM subscriptions_spells
WHERE mrr > 0 AND (customer_id, coalesce(currency, '')) IN (SELECT customer_id, code FROM subscriptions_discounts);

-- Stretches of time in which what a customer pays and its discounts stay the same.
CREATE TABLE subscriptions_stretches AS
WITH terms AS (
    SELECT customer_id, code, paid_from, paid_until, mrr, 0 AS discount FROM subscriptions_before_discounts
    UNION ALL
    SELECT customer_id, code, paid_from, paid_until, 0, discount FROM subscriptions_discounts
),
bounds AS (
    SELECT customer_id, code, paid_from AS moment FROM terms
    UNION
    SELECT customer_id, code, paid_until FROM terms WHERE paid_until IS NOT NULL
),
stretches AS (
    SELECT customer_id, code, moment, lead(moment) OVER (PARTITION BY customer_id, code ORDER BY moment) AS until FROM bounds
)
SELECT stretches.customer_id, stretches.code, stretches.moment, stretches.until,
       CAST(sum(terms.mrr) AS BIGINT) AS mrr, CAST(sum(terms.discount) AS BIGINT) AS discount
FROM stretches
JOIN terms ON terms.customer_id = stretches.customer_id AND terms.code = stretches.code
    AND terms.paid_from <= stretches.moment AND (terms.paid_until IS NULL OR terms.paid_until > stretches.moment)
GROUP BY stretches.customer_id, stretches.code, stretches.moment, stretches.until;

-- The spells of who has discounts, cut into stretches; the first rows are lowered first, and none below nothing.
CREATE TABLE subscriptions AS
WITH cut AS (
    SELECT spells.*, stretches.moment, stretches.until, stretches.discount,
           sum(spells.mrr) OVER (PARTITION BY spells.customer_id, spells.code, stretches.moment ORDER BY spells._row
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS so_far
    FROM subscriptions_before_discounts AS spells
    JOIN subscriptions_stretches AS stretches ON stretches.customer_id = spells.customer_id AND stretches.code = spells.code
        AND stretches.moment >= spells.paid_from AND (spells.paid_until IS NULL OR stretches.moment < spells.paid_until)
)
SELECT customer_id, subscription_id, started_at, _row, cancel_reason, paid_from, paid_until, mrr, currency, status,
       unpaid_kind, is_bridged $extras
FROM subscriptions_spells
WHERE mrr = 0 OR (customer_id, coalesce(currency, '')) NOT IN (SELECT customer_id, code FROM subscriptions_discounts)
UNION ALL
SELECT customer_id, subscription_id, started_at, _row,
       CASE WHEN until = paid_until THEN cancel_reason END AS cancel_reason, moment AS paid_from, until AS paid_until,
       CAST(greatest(0, least(mrr, so_far - discount)) AS BIGINT) AS mrr, currency, status, unpaid_kind,
       is_bridged AND until = paid_until AS is_bridged $extras
FROM cut;
