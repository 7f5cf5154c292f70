"""Simulated traffic: rows sampled from the example's, with noise, and the ways in which they may change."""

from collections.abc import Callable

import numpy as np
import pandas as pd

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
Rng = np.random.Generator
Change = Callable[[pd.DataFrame, Rng, int], pd.DataFrame]


def rows(source: pd.DataFrame, n_rows: int, rng: Rng, shares: dict[str, float] | None = None) -> pd.DataFrame:
    """Return `n_rows` rows with the columns of `source`; `shares` weights its species."""
    weights = None if shares is None else source["species"].map(shares)
    sample = source.sample(n_rows, replace=True, weights=weights, random_state=rng).reset_index(drop=True)
    for name in NUMBERS:
        sample[name] = (sample[name] + rng.normal(0, 0.1 * source[name].std(), n_rows)).round(1)
    return sample


def in_kilograms(table: pd.DataFrame, _rng: Rng, _day: int) -> pd.DataFrame:
    return table.assign(body_mass_g=table["body_mass_g"] / 1000)


def new_island(table: pd.DataFrame, rng: Rng, _day: int) -> pd.DataFrame:
    return table.assign(island=table["island"].where(rng.random(len(table)) > 0.2, "Signy"))


def longer_flippers(table: pd.DataFrame, _rng: Rng, day: int) -> pd.DataFrame:
    return table.assign(flipper_length_mm=table["flipper_length_mm"] + 0.05 * 14 * (day + 1))  # 14 mm: their deviation


def lost_join(table: pd.DataFrame, rng: Rng, _day: int) -> pd.DataFrame:
    return table.assign(bill_length_mm=table["bill_length_mm"].where(rng.random(len(table)) > 0.3))


def swapped_labels(table: pd.DataFrame, rng: Rng, _day: int) -> pd.DataFrame:
    swapped = table["species"].map({"Adelie": "Chinstrap", "Chinstrap": "Adelie"}).fillna("Adelie")
    return table.assign(species=table["species"].where(rng.random(len(table)) > 0.15, swapped))


def unchanged(table: pd.DataFrame, _rng: Rng, _day: int) -> pd.DataFrame:
    return table


# A change, the column or check that the alarm must name, and the weights of the species from then on.
STORIES: dict[str, tuple[Change, str | None, dict[str, float] | None]] = {
    "nothing changes": (unchanged, None, None),
    "a unit changes": (in_kilograms, "body_mass_g", None),
    "a new category": (new_island, "island", None),
    "a slow shift of the mean": (longer_flippers, "flipper_length_mm", None),
    "a join that is lost": (lost_join, "bill_length_mm", None),
    "other shares of the labels": (unchanged, "species", {"Adelie": 1, "Chinstrap": 3, "Gentoo": 1}),
    "a model that became worse": (swapped_labels, "quality", None),
}
