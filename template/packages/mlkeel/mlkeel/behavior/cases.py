"""Read behaviour cases, complete their rows, and merge the cases that a person wrote with drafts.

Three kinds (after "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", Ribeiro et al. 2020): outputs
that stay, outputs that move in a known direction, and plain cases that nobody would get wrong. `class_cases.py` and
`number_cases.py` check and draft them, `perturbations.py` changes rows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from mlkeel.contract.dates import is_date
from mlkeel.contract.suites import Column, Contract
from mlkeel.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Case = dict[str, Any]


class _TextLoader(yaml.SafeLoader):
    """Reads dates as the texts that they are in a table."""

    yaml_constructors: ClassVar[Any] = yaml.SafeLoader.yaml_constructors | {
        "tag:yaml.org,2002:timestamp": yaml.SafeLoader.construct_yaml_str
    }


BEHAVIOR = Path("tests/model/behavior.yaml")
MAX_SAMPLE_ROWS = 20_000  # that cases are drafted from and checked on


def complete_row(row: Case, table: "pd.DataFrame", columns: tuple[Column, ...]) -> Case:
    """Complete a partial row with the median or mode of each feature in `columns`, over the rows with its categories.

    Raises:
        ValueError: no row of `table` has these categories.
    """
    import pandas as pd

    similar = table
    texts = [column.name for column in columns if column.text or column.time]
    for name, value in row.items():
        if value is not None and name not in texts and not pd.api.types.is_numeric_dtype(table[name]):
            similar = similar[similar[name] == value]
    if similar.empty:
        raise ValueError(f"no row of the table is like {row}")
    names = [column.name for column in columns]
    return {name: row[name] if name in row else _median_or_mode(similar[name]) for name in names}


def _median_or_mode(values: "pd.Series[Any]") -> Any:  # noqa: ANN401 - a number or a category
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        return float(values.median())
    return next(iter(values.mode()), None)


def sample_rows(splits: "list[pd.DataFrame]") -> "pd.DataFrame":
    """Sample at most `MAX_SAMPLE_ROWS` rows of a table from its `splits`, without another copy of the whole table."""
    import pandas as pd

    row_labels = pd.concat([split.index.to_series() for split in splits]).sort_index()
    row_labels = (
        row_labels if len(row_labels) <= MAX_SAMPLE_ROWS else row_labels.sample(MAX_SAMPLE_ROWS, random_state=7)
    )
    sample: pd.DataFrame = pd.concat([split[split.index.isin(row_labels)] for split in splits]).loc[row_labels.index]
    return sample


def merge_cases(manual: dict[str, list[Case]], drafted: dict[str, list[Case]]) -> dict[str, list[Case]]:
    """Return the `manual` cases, which a person wrote, and those of `drafted` that do not duplicate one of them."""
    return {
        kind: [
            *manual.get(kind, []),
            *(
                draft | {"draft": True}
                for draft in drafts
                if not any(_is_duplicate(draft, case) for case in manual.get(kind, []))
            ),
        ]
        for kind, drafts in drafted.items()
    }


def _is_duplicate(draft: Case, manual: Case) -> bool:
    """Whether a draft is about the same columns and the same class as a case that a person wrote."""

    def subject(case: Case) -> tuple[set[str], str]:
        expect = case.get("expect")
        columns = set(case.get("change") or case.get("row") or {})
        return columns, next(iter(expect), "") if isinstance(expect, dict) else str(expect)

    return subject(draft) == subject(manual)


def read_cases(path: Path) -> dict[str, list[Case]]:
    """Read the cases of `tests/model/behavior.yaml` by their kinds; none if there is no such file.

    Raises:
        InputError: the file is not YAML, or does not hold lists of cases under their kinds.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _TextLoader) if path.is_file() else {}  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this is not valid YAML ({' '.join(str(error).split())}). Correct it.") from error
    content = content or {}
    cases = {kind: entries or [] for kind, entries in content.items()} if isinstance(content, dict) else None
    if cases is None or not all(
        isinstance(entries, list) and all(isinstance(case, dict) for case in entries) for entries in cases.values()
    ):
        raise InputError(f"{path}: there must be lists of cases under the names of their kinds. Correct it.")
    return cases


def applicable_cases(
    cases: dict[str, list[Case]], table: "pd.DataFrame", contract: Contract, is_answerable: Callable[[Case], bool]
) -> dict[str, list[Case]]:
    """Return the cases that are not marked as drafts and still apply to `table`, by their kinds.

    A person keeps a draft by removing its mark. `is_answerable` says whether a model can give what a case expects.
    """
    columns = {column.name: column for column in contract.columns}

    def fits(name: str, value: object) -> bool:
        if name in columns and columns[name].numeric:
            return value is None or isinstance(value, int | float)
        if name in columns and columns[name].text:
            return value is None or isinstance(value, str | dict)
        if name in columns and columns[name].time:
            return value is None or (isinstance(value, str) and is_date(value))
        return name in table and (value is None or bool((table[name] == value).any()))

    def is_applicable(case: Case) -> bool:
        row = case.get("row") or {}
        change = case.get("change") or {}
        return set(change) <= set(columns) and is_answerable(case) and all(map(fits, *_names_and_values(row, change)))

    manual = {kind: [case for case in entries if not case.get("draft")] for kind, entries in cases.items()}
    return {kind: [case for case in entries if is_applicable(case)] for kind, entries in manual.items()}


def _names_and_values(row: Case, change: Case) -> tuple[list[str], list[object]]:
    return [*row, *change], [*row.values(), *change.values()]
