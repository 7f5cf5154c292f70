"""How good is good: slices are judged by the first of these, models by the one that is primary.

Add your own: `Metric("median_error", function, greater_is_better=False)`, where `function` takes the answers, shape
(n, 3): estimate, low and high; and the true numbers, shape (n,).
"""

from mlkeel.tasks.regression import BIAS, COVERAGE_METRIC, MAE, MEAN_WIDTH, R2, RMSE

METRICS = (MAE, RMSE, BIAS, R2, COVERAGE_METRIC, MEAN_WIDTH)
