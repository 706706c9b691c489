-- The inputs of scores; `part` is an answer's contribution. As answers of one customer are not independent, each comes
-- with the customer's others to the survey in the period (beside), and with all of the period before (twice), since
-- changes are paired by customer; of a segment value those who had it then, too (looks_back).
valued AS (
    SELECT *, weight * CASE WHEN survey = 'nps' AND score >= 9 THEN 1 WHEN survey = 'nps' AND score <= 6 THEN -1
                            WHEN survey = 'csat' AND score > high - $csat_top THEN 1
                            WHEN survey = 'ces' THEN $ces_part ELSE 0 END AS part
    FROM answers
),
sums AS (
    SELECT customer_id, survey, period, $sum(part) AS part, $sum(weight) AS weight
    FROM valued
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id, survey, period
),
pairs AS (
    SELECT valued.*, coalesce(own.part - valued.part, 0) AS part_beside,
           coalesce(own.weight - valued.weight, 0) AS weight_beside,
           earlier.part AS part_before, earlier.weight AS weight_before
    FROM valued
    LEFT JOIN sums AS own
        ON own.customer_id = valued.customer_id AND own.survey = valued.survey AND own.period = valued.period
    LEFT JOIN sums AS earlier
        ON earlier.customer_id = valued.customer_id AND earlier.survey = valued.survey
        AND earlier.period = valued.period - 1
),
moves AS (
    SELECT customer_id, own_value, period, 0 AS looks_back, $rows_columns FROM pairs
    UNION ALL
    SELECT customer_id, own_value, period, 1, $twice_columns FROM pairs WHERE weight_before IS NOT NULL
)
