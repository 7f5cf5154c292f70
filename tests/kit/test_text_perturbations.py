from pathlib import Path

import pandas as pd
import pytest
from mlkeel.behavior.text_perturbations import apply, away_from_class
from mlkeel.contract.suites import read_contract


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"parcel": "package"}, "My package, the Parcels and my package."),
        ({"my parcel": ""}, ", the Parcels and ."),
        ({"parcel": r"\1"}, r"My \1, the Parcels and my \1."),
        ("a typo", "My parcel, the Pacrels and my parcel."),
        ("upper case", "MY PARCEL, THE PARCELS AND MY PARCEL."),
        ("a dot at the end", "My parcel, the Parcels and my parcel.."),
    ],
)
def test_a_text_is_reworded(change: object, text: str) -> None:
    rows = pd.DataFrame({"message": ["My parcel, the Parcels and my parcel.", None]})
    after = apply(rows, {"message": change})["message"]
    assert after[0] == text
    assert pd.isna(after[1])


def test_the_words_that_tell_of_a_class_are_found(original: Path) -> None:
    notes = ["a crisp and sour one", "a sour one of many", "sweet and dark and small", "so sweet and so dark"] * 10
    table = pd.DataFrame({"note": notes})
    of_class = pd.Series([1.0, 1.0, 0.0, 0.0] * 10)
    perturbations = away_from_class(table, read_contract(original / "expectations"), of_class)
    assert {word for _, perturbation in perturbations for word in perturbation.change["note"]} == {"one", "sour"}
    assert all(perturbation.row["note"] in notes[:2] for _, perturbation in perturbations)


def test_a_word_that_all_use_tells_nothing(original: Path) -> None:
    notes = ["the crisp and sour one", "the sour one it is", "the sweet and dark one", "so the dark one"] * 10
    perturbations = away_from_class(
        pd.DataFrame({"note": notes}), read_contract(original / "expectations"), pd.Series([1.0, 1, 0, 0] * 10)
    )
    assert perturbations[0][1].change == {"note": {"sour": ""}}
