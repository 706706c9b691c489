-- name: subscriptions_counted
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

-- name: subscriptions_gaps
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

-- name: subscriptions_spells
CREATE VIEW subscriptions_spells AS
SELECT counted.customer_id, counted.subscription_id, counted.started_at, counted._row, counted.cancel_reason,
       counted.paid_from,
       CASE WHEN counted.is_paid THEN coalesce(gaps.next_from, counted.paid_until) ELSE counted.paid_until END
           AS paid_until,
       CAST(CASE WHEN counted.is_paid THEN counted.mrr ELSE 0 END AS BIGINT) AS mrr, counted.currency, counted.billed,
       counted.status,
       CASE WHEN NOT counted.is_paid THEN counted.unpaid_kind END AS unpaid_kind,
       gaps.next_from IS NOT NULL AND counted.is_paid AS is_bridged
       $counted_extras
FROM subscriptions_counted AS counted
LEFT JOIN subscriptions_gaps AS gaps ON gaps.customer_id = counted.customer_id AND gaps.last_end = counted.paid_until
WHERE counted.amount >= 0;

-- name: subscriptions_discounts
-- Discounts, bridged where the spells are.
CREATE TABLE subscriptions_discounts AS
SELECT counted._row, counted.customer_id, coalesce(counted.currency, '') AS code, counted.paid_from,
       coalesce(gaps.next_from, counted.paid_until) AS paid_until, CAST(-counted.mrr AS BIGINT) AS discount
FROM subscriptions_counted AS counted
LEFT JOIN subscriptions_gaps AS gaps ON gaps.customer_id = counted.customer_id AND gaps.last_end = counted.paid_until
WHERE counted.mrr < 0 AND counted.paid_from < coalesce(counted.paid_until, $as_of);

-- name: subscriptions_before_discounts
CREATE TABLE subscriptions_before_discounts AS
SELECT *, coalesce(currency, '') AS code FROM subscriptions_spells
WHERE mrr > 0 AND (customer_id, coalesce(currency, '')) IN (SELECT customer_id, code FROM subscriptions_discounts);

-- name: subscriptions_stretches
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

-- name: subscriptions
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
SELECT customer_id, subscription_id, started_at, _row, cancel_reason, paid_from, paid_until, mrr, currency, billed, status,
       unpaid_kind, is_bridged $extras
FROM subscriptions_spells
WHERE mrr = 0 OR (customer_id, coalesce(currency, '')) NOT IN (SELECT customer_id, code FROM subscriptions_discounts)
UNION ALL
SELECT customer_id, subscription_id, started_at, _row,
       CASE WHEN until = paid_until THEN cancel_reason END AS cancel_reason, moment AS paid_from, until AS paid_until,
       CAST(greatest(0, least(mrr, so_far - discount)) AS BIGINT) AS mrr, currency, billed, status, unpaid_kind,
       is_bridged AND until = paid_until AS is_bridged $extras
FROM cut;

-- name: subscriptions_whole
-- The spells where nobody has a discount.
CREATE TABLE subscriptions_whole AS
SELECT customer_id, subscription_id, started_at, _row, paid_from, paid_until, mrr, unpaid_kind, is_bridged $optional $extras
FROM subscriptions_spells;

-- name: subscriptions_completed
CREATE VIEW subscriptions AS
SELECT customer_id, subscription_id, started_at, _row, cancel_reason, paid_from, paid_until, mrr, currency, billed, status,
       unpaid_kind, is_bridged $extras
FROM (SELECT * $absent_optional FROM subscriptions_whole) AS source_rows;
