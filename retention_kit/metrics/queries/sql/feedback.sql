-- What the scores are made of; `part` is what an answer adds to the score. As the answers of one customer are no
-- independent ones, each is told with the others that its customer gave to the survey in the period (beside), and with
-- all those of the period right before, as changes are paired by customer.
valued AS (
    SELECT *, weight * CASE WHEN survey = 'nps' AND score >= 9 THEN 1 WHEN survey = 'nps' AND score <= 6 THEN -1
                            WHEN survey = 'csat' AND score > high - $csat_top THEN 1
                            WHEN survey = 'ces' THEN $ces_part ELSE 0 END AS part
    FROM answers
),
sums AS (
    SELECT customer_id, survey, period, SUM(part) AS part, SUM(weight) AS weight
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
        ON earlier.customer_id = valued.customer_id AND earlier.survey = valued.survey AND earlier.period = valued.period - 1
),
moves AS (
    SELECT customer_id, own_value, period,
           CASE WHEN survey = 'nps' THEN 1 ELSE 0 END AS nps_answers,
           CASE WHEN survey = 'nps' THEN weight ELSE 0 END AS nps_weight,
           CASE WHEN survey = 'nps' THEN weight * weight ELSE 0 END AS nps_weight_squared,
           CASE WHEN survey = 'nps' AND score >= 9 THEN weight ELSE 0 END AS promoters,
           CASE WHEN survey = 'nps' AND score BETWEEN 7 AND 8 THEN weight ELSE 0 END AS passives,
           CASE WHEN survey = 'nps' AND score <= 6 THEN weight ELSE 0 END AS detractors,
           CASE WHEN survey = 'csat' THEN 1 ELSE 0 END AS csat_answers,
           CASE WHEN survey = 'csat' THEN weight ELSE 0 END AS csat_weight,
           CASE WHEN survey = 'csat' THEN weight * weight ELSE 0 END AS csat_weight_squared,
           CASE WHEN survey = 'csat' AND score > high - $csat_top THEN weight ELSE 0 END AS satisfied,
           CASE WHEN survey = 'ces' THEN 1 ELSE 0 END AS ces_answers,
           CASE WHEN survey = 'ces' THEN weight ELSE 0 END AS ces_weight,
           CASE WHEN survey = 'ces' THEN weight * weight ELSE 0 END AS ces_weight_squared,
           CASE WHEN survey = 'ces' AND score > high - $ces_top THEN weight ELSE 0 END AS easy,
           CASE WHEN survey = 'ces' THEN weight * score ELSE 0 END AS ces_scores,
           CASE WHEN survey = 'ces' THEN weight * score * score ELSE 0 END AS ces_scores_squared,
           $paired,
           $beside
    FROM pairs
)
