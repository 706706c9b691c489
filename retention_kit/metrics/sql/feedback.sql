-- What the scores are made of. Who answered the same survey in the period right before too is told with both answers, as
-- changes are paired by customer: `part` is what an answer adds to the score.
valued AS (
    SELECT *, weight * CASE WHEN survey = 'nps' AND score >= 9 THEN 1 WHEN survey = 'nps' AND score <= 6 THEN -1
                            WHEN survey = 'csat' AND score > high - $csat_top THEN 1
                            WHEN survey = 'ces' THEN $ces_part ELSE 0 END AS part
    FROM answers
),
pairs AS (
    SELECT valued.*, earlier.weight AS weight_before, earlier.part AS part_before
    FROM valued
    LEFT JOIN valued AS earlier
        ON earlier.customer_id = valued.customer_id AND earlier.survey = valued.survey AND earlier.period = valued.period - 1
           AND NOT $every_answer
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
           $paired
    FROM pairs
)
