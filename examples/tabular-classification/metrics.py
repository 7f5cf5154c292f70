"""How good is good: slices are judged by the first of these, models by the one that is primary.

Add your own: `Metric("top_2_accuracy", function, greater_is_better=True)`, where `function` takes the probabilities,
shape (n, classes), and the true classes, shape (n,), as their places in the contract.
"""

from mlkeel.tasks.classification import ACCURACY, LOG_LOSS, MACRO_F1

METRICS = (ACCURACY, MACRO_F1, LOG_LOSS)
