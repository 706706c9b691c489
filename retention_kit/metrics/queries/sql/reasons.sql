-- Customers lost and MRR churned, by reason.
WITH moves AS (
    SELECT $customer reason,
           $lost_period AS from_period, $lost_period + 1 AS until_period, $lost_columns
    FROM $lost_view $by_span
    UNION ALL
    SELECT $customer reason, $churned_period, $churned_period + 1, $churned_columns FROM $churned_view $by_span
)
