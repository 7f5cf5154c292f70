"""Make the decision of a version from the settings; a target needs the validation rows."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mlkeel.config import DecisionConfig, DecisionTarget
from mlkeel.errors import InputError
from mlkeel.tasks.decision import Costs, Decision, costs_of_threshold
from mlkeel.tasks.outputs import Outputs, Targets

MAX_NAMED_COSTS = 6  # in the sentence


def choose_decision(
    config: DecisionConfig | None, classes: tuple[str, ...], predict: Callable[[], Outputs], y_true: Targets
) -> Decision | None:
    """Return the decision that `config` asks for; None if it asks for none.

    `predict` gives the probabilities of the validation rows, shape (n, classes), and `y_true`, shape (n,), are their
    classes; only a target needs them.

    Raises:
        InputError: the target cannot be reached on these rows.
    """
    if config is None:
        return None
    if config.threshold is not None:
        ((name, threshold),) = config.threshold.items()
        costs = costs_of_threshold(classes.index(name), threshold)
        return Decision(costs, f"It says {name} from a probability of {threshold:g} on")
    if config.target is not None:
        return _with_target(config.target, classes, predict(), y_true)
    costs = _cost_matrix(config.costs or {}, classes)
    return Decision(costs, _describe_costs(config.costs or {}), scored=True)


def check_costs(config: DecisionConfig | None, classes: tuple[str, ...]) -> None:
    """Check that costs are named, and that no class costs least whatever is true (Elkan 2001, section 1.1).

    Raises:
        InputError: none is, or one does, so that every row would get it.
    """
    if config is None or config.costs is None:
        return
    of_error = "{" + f"{classes[0]}: 10" + "}"  # no two braces beside each other, as Copier would read them
    example = "{" + f"{classes[-1]}: {of_error}" + "}"
    if not any(config.costs.values()):
        raise InputError(f"conf/params.yaml: decision.costs holds no cost. Write that of an error, as in {example}.")
    costs = _cost_matrix(config.costs, classes)
    cheapest = np.flatnonzero((costs <= costs.min(axis=1, keepdims=True)).all(axis=0))
    if cheapest.size:
        raise InputError(
            f"conf/params.yaml: with decision.costs every row would get {classes[cheapest[0]]}, which costs least "
            f"whatever is true. Let errors cost more than what is right, as in {example}."
        )


def _cost_matrix(named: dict[str, dict[str, float]], classes: tuple[str, ...]) -> Costs:
    costs = 1 - np.eye(len(classes))
    for actual, by_decided in named.items():
        for decided, cost in by_decided.items():
            costs[classes.index(actual), classes.index(decided)] = cost
    return costs


def _describe_costs(named: dict[str, dict[str, float]]) -> str:
    pairs = [
        f"{cost:g} where {actual} is taken for {decided}"
        for actual, by_decided in named.items()
        for decided, cost in by_decided.items()
    ]
    more = " and so on" if len(pairs) > MAX_NAMED_COSTS else ""
    return f"It decides on the class with the least expected cost ({', '.join(pairs[:MAX_NAMED_COSTS])}{more})"


def _with_target(target: DecisionTarget, classes: tuple[str, ...], outputs: Outputs, y_true: Targets) -> Decision:
    """Return the decision by the threshold that reaches the target and, of these, has the best other metric."""
    metric, name, goal = target.goal
    position = classes.index(name)
    probabilities = outputs[:, position].astype(np.float64) / outputs.sum(axis=1, dtype=np.float64)
    thresholds, recalls, precisions = _threshold_scores(probabilities, y_true == position)
    values = recalls if metric == "recall" else precisions
    reached = np.flatnonzero(values >= goal)
    if not len(reached):
        best = f"the most is {values.max():.3f}" if len(values) else f"none of them is {name}"
        raise InputError(
            f"conf/params.yaml: decision.target asks for a {metric} of {goal:g} for {name}, which no threshold reaches "
            f"on the {len(y_true):,} validation rows; {best}. Ask for less there, or add rows."
        )
    best_place = reached[0] if metric == "recall" else reached[-1]  # recall rises as the threshold falls
    threshold = float(thresholds[best_place])
    sentence = (
        f"It says {name} from a probability of {threshold:.3g} on, chosen for a {metric} of {goal:g}: "
        f"on {len(y_true):,} validation rows recall is {recalls[best_place]:.3f} and precision "
        f"{precisions[best_place]:.3f}"
    )
    return Decision(costs_of_threshold(position, threshold), sentence)


def _threshold_scores(
    probabilities: npt.NDArray[np.float64], is_class: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return thresholds, highest first, with the recall and the precision of each.

    They lie midway between neighboring probabilities, so that rounding moves no row over one.
    """
    nothing = np.empty(0)
    if not is_class.any():
        return nothing, nothing, nothing
    distinct, counts_of = np.unique(probabilities, return_inverse=True)
    counts = np.bincount(counts_of)[::-1].cumsum()
    hits = np.bincount(counts_of, weights=is_class)[::-1].cumsum()
    thresholds = (distinct + np.concatenate([[0.0], distinct[:-1]]))[::-1] / 2
    possible = (thresholds > 0) & (thresholds < 1)
    return thresholds[possible], (hits / is_class.sum())[possible], (hits / counts)[possible]
