"""Rows as penguins might send them: drawn from the example's, with noise; and the ways in which they may change."""

from collections.abc import Callable

import numpy as np
import pandas as pd

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
Draw = np.random.Generator
Change = Callable[[pd.DataFrame, Draw, int], pd.DataFrame]


def rows(source: pd.DataFrame, number: int, draw: Draw, shares: dict[str, float] | None = None) -> pd.DataFrame:
    """`number` rows with the columns of `source`; `shares` weighs its species."""
    weights = None if shares is None else source["species"].map(shares)
    drawn = source.sample(number, replace=True, weights=weights, random_state=draw).reset_index(drop=True)
    for name in NUMBERS:
        drawn[name] = (drawn[name] + draw.normal(0, 0.1 * source[name].std(), number)).round(1)
    return drawn


def in_kilograms(table: pd.DataFrame, _draw: Draw, _day: int) -> pd.DataFrame:
    return table.assign(body_mass_g=table["body_mass_g"] / 1000)


def new_island(table: pd.DataFrame, draw: Draw, _day: int) -> pd.DataFrame:
    return table.assign(island=table["island"].where(draw.random(len(table)) > 0.2, "Signy"))


def longer_flippers(table: pd.DataFrame, _draw: Draw, day: int) -> pd.DataFrame:
    return table.assign(flipper_length_mm=table["flipper_length_mm"] + 0.05 * 14 * (day + 1))  # 14 mm: their deviation


def lost_join(table: pd.DataFrame, draw: Draw, _day: int) -> pd.DataFrame:
    return table.assign(bill_length_mm=table["bill_length_mm"].where(draw.random(len(table)) > 0.3))


def other_truth(table: pd.DataFrame, draw: Draw, _day: int) -> pd.DataFrame:
    swapped = table["species"].map({"Adelie": "Chinstrap", "Chinstrap": "Adelie"}).fillna("Adelie")
    return table.assign(species=table["species"].where(draw.random(len(table)) > 0.15, swapped))


def as_it_was(table: pd.DataFrame, _draw: Draw, _day: int) -> pd.DataFrame:
    return table


# A change, the column or check that is to be named, and the weights of the species from then on.
STORIES: dict[str, tuple[Change, str | None, dict[str, float] | None]] = {
    "nothing changes": (as_it_was, None, None),
    "a unit changes": (in_kilograms, "body_mass_g", None),
    "a new category": (new_island, "island", None),
    "a slow shift of the mean": (longer_flippers, "flipper_length_mm", None),
    "a join that is lost": (lost_join, "bill_length_mm", None),
    "other shares of the labels": (as_it_was, "species", {"Adelie": 1, "Chinstrap": 3, "Gentoo": 1}),
    "a model that became worse": (other_truth, "quality", None),
}
