import re

import numpy as np
import pandas as pd
import pytest
from mlkeel.adopt.infer_roles import infer_roles
from mlkeel.adopt.infer_split import SplitProposal, infer_split, parse_split, require_splittable
from mlkeel.config import Role, SplitSettings
from mlkeel.data.split import split
from mlkeel.errors import DataError
from mlkeel.features.encoder import Features
from mlkeel.tasks import class_target_checks, number_target_checks

FEATURES = Features(roles=("numeric", "categorical", "boolean"))


def propose(
    table: pd.DataFrame, target: str = "label", overrides: dict[str, Role] | None = None, *, classification: bool = True
) -> SplitProposal:
    texts = table.astype("str").mask(table.isna())
    target_checks = class_target_checks if classification else number_target_checks
    decisions = infer_roles(texts, target, overrides or {}, {}, target_checks, FEATURES)
    return infer_split(texts, decisions, target, classification=classification)


def units(
    seed: int, name: str = "patient", n_units: int = 200, n_rows: int = 5, noise: float = 0.5, form: str = "p{:03d}"
) -> pd.DataFrame:
    """Rows of units: noisy features about the values of the unit, and a label that a coin drew for it."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(n_units), n_rows)
    values = rng.normal(size=(n_units, 4))[unit] + noise * rng.normal(size=(len(unit), 4))
    columns = {
        name: [form.format(number) for number in rng.permutation(n_units)[unit]],
        **{f"measure_{place}": values[:, place].round(3) for place in range(4)},
        "sex": np.array(["female", "male"])[rng.integers(0, 2, n_units)][unit],
        "label": np.array(["well", "ill"])[rng.integers(0, 2, n_units)][unit],
    }
    return pd.DataFrame(columns).sample(frac=1, random_state=seed).reset_index(drop=True)


def rows(seed: int = 7, n: int = 600) -> pd.DataFrame:
    """Rows that have nothing to do with each other, with a label that two features tell."""
    rng = np.random.default_rng(seed)
    size = rng.normal(50, 9, n)
    weight = rng.normal(70, 12, n)
    label = np.where(size + weight + rng.normal(0, 8, n) > 120, "large", "small")
    return pd.DataFrame({"size_cm": size.round(1), "weight_kg": weight.round(1), "label": label})


def days(n: int, seed: int = 7, start: str = "2021-01-01", span: int = 700) -> list[str]:
    offsets = np.random.default_rng(seed).integers(0, span, n)
    return (pd.Timestamp(start) + pd.to_timedelta(offsets, unit="D")).strftime("%Y-%m-%d").tolist()


def turning(seed: int, n: int = 800) -> pd.DataFrame:
    """Rows whose relation to the label turns slowly in time, in any order."""
    rng = np.random.default_rng(seed)
    share = np.arange(n) / n
    values = rng.normal(size=(n, 3))
    sums = values[:, 0] * np.cos(3 * share) + values[:, 1] * np.sin(3 * share)
    table = pd.DataFrame(values.round(3), columns=["a", "b", "c"])
    table["visited"] = (pd.Timestamp("2021-01-01") + pd.to_timedelta((share * 400).astype(int), unit="D")).strftime(
        "%Y-%m-%d"
    )
    table["label"] = np.where(sums > 0, "up", "down")
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"name": "x7"},
        {"name": "x7", "form": "{}"},
        {"name": "x7", "noise": 1.0},
        {"name": "x7", "n_units": 80, "n_rows": 25},
        {"name": "x7", "n_units": 30, "n_rows": 4},
        {"name": "x7", "n_units": 300, "n_rows": 2},
    ],
    ids=["named", "unnamed", "number", "noisy", "leak", "few", "pairs"],
)
def test_rows_of_a_unit_are_split_by_group(options: dict[str, object], seed: int) -> None:
    proposal = propose(units(seed, **options))  # type: ignore[arg-type]
    assert (proposal.by, proposal.group) == ("group", options.get("name", "patient"))
    assert proposal.group in proposal.reason


def test_the_reason_says_how_rows_of_a_unit_are_alike() -> None:
    assert "nearly always have the same label" in propose(units(7)).reason
    assert "more alike than others in" in propose(units(7)).reason


@pytest.mark.parametrize(("name", "by"), [("x7", "stratified"), ("schoolNR", "group"), ("distid", "group")])
def test_amounts_are_no_units_unless_their_name_says_so(name: str, by: str) -> None:
    table = units(7, name, form="{}")
    assert propose(table.assign(**{name: table[name].astype(int) ** 2})).by == by


def test_numbers_of_units_are_split_by_group() -> None:
    table = units(7, "x7")
    by_unit = dict(zip(table["x7"], np.random.default_rng(7).normal(size=len(table)).round(3), strict=True))
    proposal = propose(table.drop(columns="label").assign(cost=table["x7"].map(by_unit)), "cost", classification=False)
    assert (proposal.by, proposal.group) == ("group", "x7")


@pytest.mark.parametrize("seed", range(3))
def test_times_are_split_by_time(seed: int) -> None:
    proposal = propose(turning(seed))
    assert (proposal.by, proposal.time) == ("time", "visited")


def test_units_with_times_are_split_by_both() -> None:
    table = units(7)
    proposal = propose(table.assign(visited=days(len(table))))
    assert (proposal.by, proposal.group, proposal.time) == ("group_time", "patient", "visited")
    assert "patient" in proposal.reason
    assert "visited" in proposal.reason


def test_rows_without_groups_and_times_are_split_at_random() -> None:
    table = rows()
    assert propose(table).by == "stratified"
    assert propose(table, "weight_kg", classification=False).by == "random"
    assert propose(table).remark == ""


RNG = np.random.default_rng(7)
N = 600
CATEGORIES = {
    "country": RNG.choice(["Chad", "Fiji", "Iran", "Peru", "Togo"], N),
    "weekday": RNG.choice(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], N),
    "product": RNG.choice([f"P-{place}" for place in range(40)], N),
    "stars": RNG.integers(1, 6, N),
    "age": RNG.integers(18, 90, N),
    "visits": RNG.poisson(30, N),
    "x7": RNG.integers(0, 120, N),
    "code": RNG.choice([f"c{place}" for place in range(120)], N),
}


@pytest.mark.parametrize("name", CATEGORIES)
def test_an_ordinary_category_is_no_group(name: str) -> None:
    proposal = propose(rows().assign(**{name: CATEGORIES[name]}))
    assert (proposal.by, proposal.remark) == ("stratified", "")


def test_a_place_that_tells_other_places_is_no_group() -> None:
    rng = np.random.default_rng(7)
    n = 6000
    zip_code = rng.integers(0, 300, n)
    table = rows(n=n).assign(
        zip=[f"{10000 + 37 * number}" for number in zip_code],
        city=[f"city {number // 5}" for number in zip_code],
        state=[f"state {number // 30}" for number in zip_code],
        latitude=rng.normal(size=300).round(4)[zip_code],
    )
    assert propose(table).by == "stratified"


def test_a_category_that_says_all_about_an_amount_is_no_group() -> None:
    rng = np.random.default_rng(7)
    town = rng.integers(0, 100, N)
    cost = rng.normal(100, 20, 100)[town] + rng.normal(size=N)
    table = rows().assign(x7=[f"t{number}" for number in town], cost=cost.round(2))
    assert propose(table, "cost", classification=False).group is None


def test_what_follows_from_the_target_is_no_group() -> None:
    table = rows()
    names = {"large": [f"L{place}" for place in range(20)], "small": [f"S{place}" for place in range(20)]}
    rng = np.random.default_rng(7)
    assert propose(table.assign(x7=[rng.choice(names[label]) for label in table["label"]])).by == "stratified"
    amounts = table.assign(x7=[f"w{value // 2:.0f}" for value in table["weight_kg"]])
    assert propose(amounts, "weight_kg", classification=False).by == "random"


def test_an_amount_on_which_others_depend_is_no_group() -> None:
    rng = np.random.default_rng(7)
    age = rng.integers(20, 80, N)
    table = rows().assign(age_y=age)
    for name in ("pressure", "pulse", "sugar"):
        table[name] = (age + rng.normal(0, 2, N)).round(1)
    table["label"] = np.where(age > 50, "yes", "no")
    assert propose(table).by == "stratified"


def test_species_are_named_in_a_remark() -> None:
    table = units(7, "species", n_units=60, form="species {}")
    proposal = propose(table)
    assert proposal.by == "stratified"
    assert "species" in proposal.remark
    assert "too good" in proposal.remark


def test_copies_of_rows_are_no_units() -> None:
    table = pd.concat([rows(n=100).assign(x7=[f"r{place % 90}" for place in range(100)])] * 6, ignore_index=True)
    assert propose(table).by == "stratified"


@pytest.mark.parametrize("name", ["patient", "customer_id", "userId", "SubjectID", "session", "id", "Patid"])
def test_a_name_alone_makes_a_group(name: str) -> None:
    labels = RNG.choice([f"{number:06d}" for number in RNG.permutation(999_999)[:150]], N)
    proposal = propose(rows().assign(**{name: [f"a{label}" for label in labels]}))
    assert (proposal.by, proposal.group) == ("group", name)


@pytest.mark.parametrize("name", ["n_customer", "customers", "num_child", "child_num"])
def test_a_count_of_units_is_no_group(name: str) -> None:
    assert propose(rows().assign(**{name: RNG.integers(0, 60, N)})).by == "stratified"


def test_what_a_person_calls_an_identifier_is_a_group() -> None:
    proposal = propose(rows().assign(x7=CATEGORIES["code"]), overrides={"x7": "identifier"})
    assert (proposal.by, proposal.group) == ("group", "x7")


def test_repeated_addresses_of_persons_are_a_group() -> None:
    proposal = propose(rows().assign(contact=[f"someone{number % 150}@example.org" for number in range(N)]))
    assert (proposal.by, proposal.group) == ("group", "contact")


def test_too_few_units_are_named_in_a_remark() -> None:
    proposal = propose(units(7, n_units=6, n_rows=60))
    assert proposal.by == "stratified"
    assert re.search("patient .* 6 values are too few", proposal.remark)


def test_a_class_of_too_few_units_is_named_in_a_remark() -> None:
    table = units(7)
    table.loc[table["patient"] == "p007", "label"] = "unknown"
    table = pd.concat([table, table[table["label"] == "unknown"].assign(measure_0=[1, 2, 3, 4, 5])])
    proposal = propose(table.reset_index(drop=True))
    assert proposal.by == "stratified"
    assert "a class is in fewer than 3" in proposal.remark


def test_a_household_holds_its_persons() -> None:
    table = units(7, "person_id", n_units=240, n_rows=3)
    table["household"] = [f"h{int(name[1:]) // 3}" for name in table["person_id"]]
    assert propose(table).group == "household"


@pytest.mark.parametrize("noise", [1, 6])
def test_countries_with_a_row_a_year_are_a_group(noise: float) -> None:
    rng = np.random.default_rng(7)
    country = np.repeat(np.arange(50), 12)
    table = pd.DataFrame(
        {
            "country": [f"c{number}" for number in country],
            "year": np.tile(np.arange(1960, 2020, 5), 50),
            "people": (rng.normal(30, 9, 50)[country] + rng.normal(0, noise, 600)).round(2),
            "cities": (rng.normal(30, 9, 50)[country] + rng.normal(0, noise, 600)).round(2),
            "income": (rng.normal(30, 9, 50)[country] + rng.normal(0, noise, 600)).round(2),
        }
    )
    proposal = propose(table, "income", classification=False)
    assert (proposal.by, proposal.group) == ("group", "country")
    assert "year holds 12 years" in proposal.remark


def test_years_are_a_remark() -> None:
    table = rows()
    assert "later ones, split by time" in propose(table.assign(year=RNG.integers(2001, 2009, N))).remark
    assert propose(table.assign(year=RNG.integers(2007, 2010, N))).remark == ""
    assert propose(table.assign(model_year=RNG.integers(2001, 2009, N))).remark == ""


def test_a_birthday_is_no_time_of_a_row() -> None:
    proposal = propose(rows().assign(date_of_birth=days(N, start="1950-01-01", span=9000)))
    assert proposal.by == "stratified"
    assert "date_of_birth" in proposal.remark


def test_a_time_that_is_the_same_for_a_unit_is_no_time_of_a_row() -> None:
    table = units(7, n_units=150)
    table["joined"] = [days(150, span=90)[int(name[1:])] for name in table["patient"]]
    proposal = propose(table)
    assert (proposal.by, proposal.time) == ("group", None)
    assert "joined is a time, but is the same in all rows of one patient" in proposal.remark


def test_few_times_are_no_time() -> None:
    assert propose(rows().assign(sampled=days(N, span=5))).by == "stratified"


@pytest.mark.parametrize(
    ("columns", "chosen", "why"),
    [
        ({"delivered": days(N, 8), "ordered": days(N, 7)}, "ordered", "later events by their names"),
        ({"seen": days(N, 8), "written": sorted(days(N, 7))}, "written", "the rows are in its order"),
        ({"b": days(N, 8, "2022-01-01"), "a": days(N, 7, "2020-01-01")}, "a", "the earliest in most rows"),
    ],
    ids=["event", "order", "earliest"],
)
def test_the_time_of_the_event_is_chosen(columns: dict[str, list[str]], chosen: str, why: str) -> None:
    proposal = propose(rows().assign(**columns))
    assert (proposal.by, proposal.time) == ("time", chosen)
    assert why in proposal.reason


def test_the_same_table_gives_the_same_proposal() -> None:
    assert propose(units(7, "x7")) == propose(units(7, "x7"))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("random", (None, None, None)),
        ("stratified", (None, None, None)),
        ("group:patient", ("patient", None, None)),
        ("group:name, first", ("name, first", None, None)),
        ("time:visited", (None, "visited", None)),
        ("group_time:patient,visited", ("patient", "visited", None)),
        ("given:fold", (None, None, "fold")),
    ],
)
def test_a_person_chooses_a_split(text: str, columns: tuple[str | None, ...]) -> None:
    choice = parse_split(text)
    assert choice.by == text.partition(":")[0]
    assert (choice.group, choice.time, choice.given) == columns


@pytest.mark.parametrize(
    "text",
    ["", "groups:x", "group", "group:", "time: ", "random:x", "group_time:x", "group_time:x,", "group_time:a,b,c"],
)
def test_what_is_no_split_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="write random, stratified, group:column"):
        parse_split(text)


@pytest.mark.parametrize(("n_units", "by"), [(2, "stratified"), (200, "group")])
def test_what_cannot_be_split_by_is_a_remark(n_units: int, by: str) -> None:
    proposal = SplitProposal("group", "patient", None, "patients repeat")
    shares = SplitSettings(train=0.6, validation=0.2, test=0.2)
    table = units(7, n_units=n_units, n_rows=10)
    decided = require_splittable(proposal, table, "label", shares, classification=True)
    assert decided.by == by
    assert ("patients repeat" in decided.remark) == (by == "stratified")


def test_many_rows_in_no_split_are_a_remark() -> None:
    table = units(7, n_units=200).assign(visited=days(1000))
    proposal = propose(table)
    old = SplitSettings(train=0.6, validation=0.2, test=0.2)
    proposal = require_splittable(proposal, table, "label", old, classification=True)
    assert proposal.by == "group_time"
    excluded = split(table, proposal.to_settings(old, keep_options=False)).description.excluded_rows
    assert f"{excluded:,} of 1,000 rows are in no split" in proposal.remark
    assert "--split time:visited" in proposal.remark


def test_a_time_that_is_missing_in_a_row_is_a_remark() -> None:
    table = rows().assign(visited=days(N))
    table.loc[7, "visited"] = None
    proposal = propose(table)
    assert proposal.by == "stratified"
    assert "visited is a time, but is missing in 1 of 600 rows" in proposal.remark
