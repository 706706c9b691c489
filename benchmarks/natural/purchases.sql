-- Purchases by month: buyers, who bought twice, who had bought before, and the money.
WITH buyers AS (
    SELECT customer_id, CAST(date_trunc('month', ordered_at) AS DATE) AS month, COUNT(*) AS purchases, SUM(amount) AS revenue
    FROM orders
    WHERE customer_id IS NOT NULL
    GROUP BY ALL
),
lives AS (
    SELECT *, MIN(month) OVER (PARTITION BY customer_id) AS first_month FROM buyers
),
months AS (
    SELECT month, COUNT(*) AS buyers, CAST(SUM(purchases) AS BIGINT) AS purchases, COUNT(*) FILTER (purchases >= 2) AS repeat_buyers,
           COUNT(*) FILTER (first_month < month) AS returning_buyers, SUM(revenue) AS customer_revenue
    FROM lives
    WHERE month >= DATE '$first'
    GROUP BY month
),
guests AS (
    SELECT CAST(date_trunc('month', ordered_at) AS DATE) AS month, SUM(amount) AS guest_revenue
    FROM orders
    WHERE customer_id IS NULL AND ordered_at >= DATE '$first'
    GROUP BY ALL
)
SELECT months.*, coalesce(guest_revenue, 0) AS guest_revenue FROM months LEFT JOIN guests USING (month) ORDER BY month
