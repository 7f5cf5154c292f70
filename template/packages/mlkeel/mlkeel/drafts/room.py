"""How much room a drafted bound leaves, so that a new sample of the same data passes and a broken table does not."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Z = 4.0  # standard errors; where the normal approximation holds, 1 in 16,000 samples is further away
SMALLEST = 4  # a sample may be nearly so many times smaller than the table
TAIL = 20  # so many times longer than half of the values are wide, a tail has no end that one could see,
LONELY = 3  # unless fewer values than these are out there: they may be mistakes


def room(share: float, rows: int) -> float:
    """How far the share of a sample may be from `share`, which was seen in `rows` rows: the normal approximation."""
    variance = max(share * (1 - share), 1 / rows)
    return float(Z * np.sqrt(variance * (1 + SMALLEST) / rows))


def present(values: "pd.Series[Any]") -> float:
    """The share of values that a sample must have, when it is drawn as `values` were."""
    seen = float(values.notna().mean())
    return down(max(seen - room(seen, len(values)), 2 / len(values)))


def down(share: float) -> float:
    """A share rounded down to thousandths, and never to nothing."""
    return float(np.floor(share * 1000) / 1000) if share >= 0.002 else float(share)


def quantile_range(values: "pd.Series[float]", share: float) -> list[float]:
    """From one quantile of what was seen to another, a fifth of the rows apart on each side or, for few rows, more."""
    apart = max(room(share, len(values)), 0.2)
    floor, ceiling = bounds(values)
    low = _plain(np.quantile(values, share - apart, method="lower")) if apart < share else floor
    high = _plain(np.quantile(values, share + apart, method="higher")) if share + apart < 1 else ceiling
    return [low, high]


def bounds(values: "pd.Series[float]") -> tuple[float, float]:
    """Wide bounds: the span once more to each side, ten times where a tail is long, and no sign that was not seen."""
    first, second, third = np.quantile(values.dropna(), [0.1, 0.5, 0.9])
    above, below = values > third + TAIL * (third - second), values < first - TAIL * (second - first)
    odd = (above if above.sum() < LONELY else ~values.notna()) | (below if below.sum() < LONELY else ~values.notna())
    usual = values[~odd]
    low, high = float(usual.min()), float(usual.max())
    span = high - low or max(abs(high), 1.0)
    floor = 0.0 if low >= 0 else low - (10 * abs(low) if below[~odd].any() else span)
    ceiling = 0.0 if high <= 0 else high + (10 * abs(high) if above[~odd].any() else span)
    return _outward(floor, ceiling, span)


def _outward(low: float, high: float, span: float) -> tuple[float, float]:
    """Round to two figures of the span, away from the values, so that a bound reads like one that a person set."""
    digit = 10.0 ** (np.floor(np.log10(span)) - 1)
    floor, ceiling = _short(np.floor(low / digit) * digit), _short(np.ceil(high / digit) * digit)
    return min(floor, _plain(low)), max(ceiling, _plain(high))


def _short(number: float) -> float:
    return _plain(float(f"{number:.12g}"))


def _plain(number: float) -> float:
    return int(number) if float(number).is_integer() and abs(number) < 1e15 else float(number)
