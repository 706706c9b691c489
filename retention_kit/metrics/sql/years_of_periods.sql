,
       -- The sum of the twelve months after this period enters and that before, of which it is the last; then the sums after it
       -- leaves and before, when it is the first.
       CAST(2 * SUM(revenue) OVER (PARTITION BY customer_id ORDER BY period RANGE BETWEEN $others PRECEDING AND CURRENT ROW)
            - revenue AS BIGINT) AS entering,
       CAST(2 * SUM(revenue) OVER (PARTITION BY customer_id ORDER BY period RANGE BETWEEN CURRENT ROW AND $others FOLLOWING)
            - revenue AS BIGINT) AS leaving
