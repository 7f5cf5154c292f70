"""Tolerances of drafted bounds, so that a new sample of the same data passes and a broken table does not."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Z = 4.0  # standard errors; where the normal approximation holds, 1 in 16,000 samples is further away
SMALLEST = 4  # the table may be nearly so many times larger than a new sample
LONG_TAIL_RATIO = 20  # a tail is long if it goes so many times further than from the median to the decile
MIN_TAIL_VALUES = 3  # fewer values out there may be mistakes, and bounds leave them out


def tolerance(share: float, rows: int) -> float:
    """Return how far the share in a new sample may be from `share`, measured on `rows` rows: normal approximation."""
    variance = max(share * (1 - share), 1 / rows)
    return float(Z * np.sqrt(variance * (1 + SMALLEST) / rows))


def present(values: "pd.Series[Any]") -> float:
    """Return the least share of non-null values in a new sample of the population of `values`."""
    share = float(values.notna().mean())
    return floor_share(max(share - tolerance(share, len(values)), 2 / len(values)))


def floor_share(share: float) -> float:
    """Round a share down to thousandths, but never to 0."""
    return float(np.floor(share * 1000) / 1000) if share >= 0.002 else float(share)


def quantile_range(values: "pd.Series[float]", share: float) -> list[float]:
    """Return the range for the quantile at `share`: the quantiles 0.2, or more for few rows, to either side."""
    half_width = max(tolerance(share, len(values)), 0.2)
    floor, ceiling = bounds(values)
    low = _int_if_whole(np.quantile(values, share - half_width, method="lower")) if half_width < share else floor
    high = (
        _int_if_whole(np.quantile(values, share + half_width, method="higher")) if share + half_width < 1 else ceiling
    )
    return [low, high]


def bounds(values: "pd.Series[float]") -> tuple[float, float]:
    """Return wide bounds: the range of `values` extended by its width on each side, or tenfold where a tail is long.

    A bound is 0 where it would have a sign that no value has. A few values far out are left out as outliers.
    """
    low_decile, median, high_decile = np.quantile(values.dropna(), [0.1, 0.5, 0.9])
    above = values > high_decile + LONG_TAIL_RATIO * (high_decile - median)
    below = values < low_decile - LONG_TAIL_RATIO * (median - low_decile)
    outliers = (above if above.sum() < MIN_TAIL_VALUES else ~values.notna()) | (
        below if below.sum() < MIN_TAIL_VALUES else ~values.notna()
    )
    inliers = values[~outliers]
    low = float(inliers.min())
    high = float(inliers.max())
    span = high - low or max(abs(high), 1.0)
    floor = 0.0 if low >= 0 else low - (10 * abs(low) if below[~outliers].any() else span)
    ceiling = 0.0 if high <= 0 else high + (10 * abs(high) if above[~outliers].any() else span)
    return _round_outward(floor, ceiling, span)


def _round_outward(low: float, high: float, span: float) -> tuple[float, float]:
    """Round to two digits of the span, away from the values, so that a bound reads like one that a person set."""
    step = 10.0 ** (np.floor(np.log10(span)) - 1)
    floor = _drop_float_noise(np.floor(low / step) * step)
    ceiling = _drop_float_noise(np.ceil(high / step) * step)
    return min(floor, _int_if_whole(low)), max(ceiling, _int_if_whole(high))


def _drop_float_noise(number: float) -> float:
    return _int_if_whole(float(f"{number:.12g}"))


def _int_if_whole(number: float) -> float:
    return int(number) if float(number).is_integer() and abs(number) < 1e15 else float(number)
