,
       -- Two sums of twelve months, added up: after this period enters and before, when it is their last; then after it
       -- leaves and before, when it is their first. What leaves goes before what enters.
       CAST(2 * SUM(revenue) OVER (PARTITION BY customer_id ORDER BY period
                                  RANGE BETWEEN $others PRECEDING AND CURRENT ROW)
            - revenue AS BIGINT) AS entering,
       CAST(2 * SUM(revenue) OVER (PARTITION BY customer_id ORDER BY period
                                  RANGE BETWEEN CURRENT ROW AND $others FOLLOWING)
            - revenue AS BIGINT) AS leaving
