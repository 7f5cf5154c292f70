from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from mlkeel.adopt.infer_roles import RoleDecision, infer_roles, parse_roles
from mlkeel.config import Role
from mlkeel.data.column_types import as_iso, is_ambiguous, personal_data_type
from mlkeel.errors import DataError

from .kinds import KIND

N = 60
RNG = np.random.default_rng(7)
LABEL = (
    [("yes", "no", "no")[place % 3] for place in range(N)]
    if KIND.classification
    else [f"{value:.3f}" for value in RNG.normal(50, 9, N)]
)
NOISE = [f"{value:.2f}" for value in RNG.normal(size=N)]
COLUMNS = {
    "numeric": NOISE,
    "boolean": ["true" if value < 0.4 else "false" for value in RNG.random(N)],
    "categorical": RNG.choice(["red", "green", "blue"], N).tolist(),
    "time": [f"{1 + place % 28:02d}/03/2021" for place in range(N)],
    "text": [f"the {place}th of many long remarks" for place in range(N)],
    "identifier": [f"A-{place * 7}" for place in range(N)],
    "row_number": [str(place) for place in range(N)],
    "constant": ["same"] * N,
    "leak": (
        ["1" if label == "yes" else "0" for label in LABEL]
        if KIND.classification
        else [f"{float(label) / 1000:.6f}" for label in LABEL]
    ),
    "personal": [f"someone{place % 9}@example.org" for place in range(N)],
    "ignored": [""] * (N - 5) + list("abcde"),
}


def table(**columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame({**columns, "label": LABEL}, dtype="str")
    return frame.mask(frame == "")


def infer(
    frame: pd.DataFrame,
    overrides: Mapping[str, Role] | None = None,
    earlier_overrides: Mapping[str, Role] | None = None,
) -> dict[str, RoleDecision]:
    return infer_roles(
        frame, "label", overrides or {}, earlier_overrides or {}, KIND.task.target_checks, KIND.project.features
    )


def role(values: list[str], name: str = "x") -> str:
    return infer(table(**{name: values}))[name].role


@pytest.mark.parametrize("name", COLUMNS)
def test_each_kind_of_column_is_told_with_a_reason(name: str) -> None:
    decision = infer(table(**{name: COLUMNS[name]}))[name]
    assert decision.role == name
    assert decision.reason


def test_roles_are_given_by_name() -> None:
    assert parse_roles(["x=numeric", "a=b=ignored"]) == {"x": "numeric", "a=b": "ignored"}
    for wrong in ("x=number", "numeric", "=numeric"):
        with pytest.raises(DataError, match="write column=role"):
            parse_roles([wrong])


def test_a_copy_is_told_even_in_other_words() -> None:
    codes = {"red": "r", "green": "g", "blue": "b"}
    colors = COLUMNS["categorical"]
    decisions = infer(table(colour=colors, code=[codes[color] for color in colors], noise=NOISE, again=NOISE))
    assert [decisions[name].role for name in ("colour", "code", "noise", "again")] == [
        *("categorical", "duplicate", "numeric", "duplicate")
    ]
    assert "colour" in decisions["code"].reason


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([f"{place:05d}" for place in range(N)], "identifier"),  # leading zeros are no numbers
        ([f"0{1000 + place % 4}" for place in range(N)], "categorical"),
        ([str(place * 3 + 5) for place in range(N)], "identifier"),  # whole, once each, ever higher
        ([f"{place % 7}" for place in range(N)], "numeric"),
        ([f"{place % 2}" for place in range(N)], "boolean"),
        ([f"name{place // 2}" for place in range(N)], "text" if KIND.text else "ignored"),
        ([f"{10**40 + place % 7}" for place in range(N)], "ignored"),
        ([f"2021-03-{1 + place % 28:02d} 14:30" for place in range(N)], "time"),
        ([f"10.0.0.{place % 50}" for place in range(N)], "personal"),
        ([f"+49 170 55512{place % 50:02d}" for place in range(N)], "personal"),
        ([str(place * place + 5) for place in range(N)], "numeric"),  # sorted amounts
        ([f"我的包裹第{place}个还没有到货" for place in range(N)], "text"),  # Chinese has no spaces
        (["0"] * 40 + [""] * 20, "categorical"),  # there or not there
        (["0", "-0"] * 30, "constant"),
        ([f"{place * 7 % 55}" for place in range(N - 2)] + ["unknown"] * 2, "ignored"),
        ([f"{1.7e12 + place % 50:.0f}" for place in range(N)], "ignored"),  # single precision sees one number
    ],
)
def test_close_calls(values: list[str], expected: str) -> None:
    assert role(values) == expected


def test_what_is_missing_is_told() -> None:
    assert infer(table(x=[*NOISE[:45], *[""] * 15]))["x"].reason.endswith(", 25.0% missing")


def test_a_count_of_cells_is_no_phone_number() -> None:
    assert role([f"{5550000 + place * 37 % 991}" for place in range(N)], "cell_count") == "numeric"
    assert role([f"{5550000 + place * 37 % 991}" for place in range(N)], "cell") == "personal"


def test_what_a_person_decided_stays_and_the_doubt_is_said() -> None:
    decision = infer(table(personal=COLUMNS["personal"]), earlier_overrides={"personal": "categorical"})["personal"]
    assert decision.role == "categorical"
    assert "yours; adopt would say personal" in decision.reason


def test_a_column_named_for_a_role_has_it() -> None:
    decisions = infer(table(who=COLUMNS["categorical"], day=COLUMNS["time"]), {"who": "identifier", "day": "time"})
    assert (decisions["who"].role, decisions["day"].role) == ("identifier", "time")


@pytest.mark.parametrize(
    ("chosen", "values", "message"),
    [
        ("numeric", COLUMNS["categorical"], "cannot be numeric: it holds"),
        ("numeric", [*map(str, range(N - 1)), "n/a?"], "it holds n/a"),
        ("time", COLUMNS["categorical"], "cannot be a time"),
        ("categorical", [""] * N, "holds no value"),
        ("time", [""] * N, "holds no value"),
    ],
)
def test_a_role_that_does_not_fit_is_refused(chosen: Role, values: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        infer(table(x=values), {"x": chosen})


def test_a_card_number_is_told_by_its_check_digit() -> None:
    real = pd.Series(
        ["4111 1111 1111 1111", "5500-0000-0000-0004", "4012888888881881", "4222222222222", "340000000000009"]
    )
    assert personal_data_type(real, "card") == "card numbers"
    assert personal_data_type(real.str.replace("1", "2", n=1), "number") is None


def test_dates_are_written_in_one_way() -> None:
    assert as_iso(pd.Series(["31.12.2020", None, "01.02.2021"])).tolist()[::2] == ["2020-12-31", "2021-02-01"]
    assert as_iso(pd.Series(["2020-12-31 10:00", "2021-01-01 23:59:59"]))[0] == "2020-12-31T10:00:00Z"
    assert as_iso(pd.Series(["2020-12-31 10:00:00.137"]))[0] == "2020-12-31T10:00:00.137000Z"
    assert as_iso(pd.Series(["0999-12-31"]))[0] == "0999-12-31"
    iso = pd.Series(["2020-12-31", "2021-02-01"])
    assert as_iso(iso).tolist() == iso.tolist()


def test_days_and_months_that_could_change_places_are_told() -> None:
    assert is_ambiguous(pd.Series(["01/02/2021", "03/04/2021"]))
    assert not is_ambiguous(pd.Series(["01/02/2021", "13/04/2021"]))
    assert not is_ambiguous(pd.Series(["2021-02-01"]))
