"""The datasheet of an adopted table, `data/README.md`: what the table shows, and questions that a person answers.

After Gebru et al. 2021, "Datasheets for Datasets". The facts stand between marks and are written anew; the answers of a
person stand outside, and stay when the same table is adopted again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlkeel.adopt.infer_roles import RoleDecision
from mlkeel.config import PROTECTED_ROLES, Role
from mlkeel.contract import markdown
from mlkeel.contract.messages import number

if TYPE_CHECKING:
    import pandas as pd

BLOCK_NAME = "datasheet"
UNANSWERED = "*not answered yet*"
QUESTIONS = (
    "Who made the table, for what purpose, and who paid for it?",
    "What is a row, and how was it measured, by whom, and when?",
    "Is it all there is or a sample, and who or what is not in it?",
    "If rows are about people: did they consent, to what, and whom can they ask to be taken out?",
    "What was done to it before: cleaning, labelling, rows left out?",
    "What is it meant for, and what must it not be used for?",
    "Under which licence may it be used and passed on?",
    "Who looks after it, and how is an error reported?",
)
MAX_CLASSES = 10  # whose share is listed
UNIQUE_ROLES: tuple[Role, ...] = ("identifier", "row_number")
DATE = r"adopted on (\d{4}-\d\d-\d\d)"


@dataclass(frozen=True)
class Facts:
    """What a table shows.

    Attributes:
        name: of its file.
        sha256: of its file.
        date: of its adoption, in ISO 8601.
        target: the column to predict.
        split: how its rows are split, with the reason.
        decisions: the role of each column, with its reason.
        may_be_protected: columns that tell a protected attribute by their names.
    """

    name: str
    sha256: str
    date: str
    target: str
    split: str
    decisions: Mapping[str, RoleDecision]
    may_be_protected: list[str]


def render(facts: Facts, table: "pd.DataFrame", earlier: str) -> str:
    """Render the block of facts on `table`, shape (n, columns); the same file keeps its date in the `earlier` text."""
    digest = facts.sha256[:12]
    same_file = re.search(rf"{DATE} \(SHA-256 `{digest}`\)", earlier)
    date = same_file[1] if same_file else facts.date
    names = [name for name, decision in facts.decisions.items() if decision.role not in UNIQUE_ROLES and name in table]
    duplicates = int(table.duplicated(names).sum())
    values = table[[name for name in facts.decisions if name in table]]
    missing = values.isna().to_numpy()
    lines = "".join(
        f"| {markdown.code_cell(name)} | {decision.role} | {markdown.text(decision.reason)} |\n"
        for name, decision in facts.decisions.items()
    )
    size = f"{len(table):,} rows, {len(facts.decisions):,} columns"
    return f"""\
{markdown.code(facts.name)}, adopted on {date} (SHA-256 `{digest}`): {size}.

| fact | of this table |
|---|---|
| target | {markdown.code_cell(facts.target)}: {markdown.text(describe_target(table[facts.target]))} |
| split | {markdown.text(facts.split)} |
| missing values | {f"{missing.mean():.1%} of all" if missing.any() else "none"} |
| duplicates | {_describe_duplicates(duplicates)} |
| protected columns | {_describe_protected(facts)} |
| personal data | {_names_of_role(facts, "personal")} |

| column | role | seen |
|---|---|---|
{lines}"""


def describe_target(values: "pd.Series[Any]") -> str:
    """Describe the distribution of a target: the share of each class, or quartiles of numbers."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        low, first, median, third, high = (number(float(value)) for value in values.quantile([0, 0.25, 0.5, 0.75, 1]))
        return f"from {low} to {high}, median {median}, half of it from {first} to {third}"
    shares = values.value_counts(normalize=True)
    ordered = sorted(shares.items(), key=lambda item: (-item[1], str(item[0])))
    listed = ", ".join(f"{name} {share:.1%}" for name, share in ordered[:MAX_CLASSES])
    return listed + (f", and {len(ordered) - MAX_CLASSES:,} more classes" if len(ordered) > MAX_CLASSES else "")


def _describe_duplicates(count: int) -> str:
    if not count:
        return "no row repeats another"
    return f"{count:,} {'row repeats' if count == 1 else 'rows repeat'} an earlier one, identifiers aside"


def _describe_protected(facts: Facts) -> str:
    protected = [name for name, decision in facts.decisions.items() if decision.role in PROTECTED_ROLES]
    if protected:
        return ", ".join(map(markdown.code_cell, protected))
    listed = ", ".join(map(markdown.code_cell, facts.may_be_protected))
    return f"none; by their names these could be: {listed}" if listed else "none"


def _names_of_role(facts: Facts, role: Role) -> str:
    return ", ".join(markdown.code_cell(name) for name, item in facts.decisions.items() if item.role == role) or "none"


def blank(begin: str, end: str) -> str:
    """Return a datasheet with an empty block between the marks `begin` and `end`, and no answer to any question."""
    questions = "\n".join(f"- **{question}** {UNANSWERED}" for question in QUESTIONS)
    return f"""\
# Datasheet of the data

{begin}
{end}

## What only a person knows

Replace each "{UNANSWERED.strip("*")}". Answers stay when the same table is adopted again.

{questions}
"""


def open_questions(text: str) -> list[str]:
    """Return the questions of a datasheet that nobody has answered yet."""
    return re.findall(rf"^- \*\*(.+?)\*\* {re.escape(UNANSWERED)}", text, flags=re.MULTILINE)
