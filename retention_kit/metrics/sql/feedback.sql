-- What the scores are made of.
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
           CASE WHEN survey = 'ces' THEN weight * score * score ELSE 0 END AS ces_scores_squared
    FROM answers
)
