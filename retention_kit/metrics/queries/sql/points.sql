SELECT segment_value, $keys period, $sums FROM placed GROUP BY segment_value, $keys period
