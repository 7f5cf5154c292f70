"""Format results: tables for the terminal, and a summary in Markdown."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlkeel.config import LenientSettings, read_settings
from mlkeel.contract import markdown
from mlkeel.contract.messages import number
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.contract.validate import ExpectationResult, check
from mlkeel.registry.artifact import current
from mlkeel.registry.revision import short_commit
from mlkeel.tasks.cross_validation import CrossValidation
from mlkeel.tasks.decision import class_rows
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, Scores, format_scores, headings

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.adopt.infer_roles import RoleDecision
    from mlkeel.registry.versions import Version
    from mlkeel.testing.prove import FaultResult

MAX_COLUMNS = 60  # of a user's table that are listed
MAX_CLASSES = 20  # whose recall is listed
UNLIMITED_WIDTH = 1_000  # letters in a line, more than any table has


def evaluation_table(evaluation: Evaluation, cross_validation: CrossValidation | None = None) -> Table:
    """Return the scores: a row for the model, one for the baseline and one for each slice, and those of folds."""
    table = Table(box=box.SIMPLE)
    table.add_column("test split")
    for heading in headings(evaluation.metrics):
        table.add_column(heading, justify="right")
    rows = {"model": evaluation.model, "baseline": evaluation.baseline, **evaluation.slices}
    for name, scores in rows.items():
        table.add_row(escape(name), *format_scores(evaluation.metrics, scores))
    if cross_validation:
        table.add_section()
        for name, scores in cross_validation.scores.rows().items():
            table.add_row(name, *format_scores(evaluation.metrics, scores))
    split = [f"Split: {evaluation.split.sentence}"] if evaluation.split else []
    folds = cross_validation.scores.calibration_error if cross_validation else None
    if notes := [*split, *evaluation.calibration_sentences(folds)]:
        table.caption = escape("\n".join(f"{note}." for note in notes))
        table.caption_justify = "left"
    return table


def class_table(evaluation: Evaluation) -> Table:
    """Return recall and precision of each class, or of those with the lowest recall, if there are many."""
    lowest_first = sorted(evaluation.classes, key=lambda name: evaluation.classes[name].get("recall") or 0.0)
    listed = lowest_first[:MAX_CLASSES]
    table = Table("class", box=box.SIMPLE)
    for heading in ("rows", "recall", "precision"):
        table.add_column(heading, justify="right")
    for row in class_rows({name: scores for name, scores in evaluation.classes.items() if name in listed}):
        table.add_row(*map(escape, row))
    if len(listed) < len(lowest_first):
        table.add_row("…", f"{len(lowest_first) - len(listed):,} more", "", "")
    if evaluation.decision:
        table.caption = escape(f"{evaluation.decision.sentence}.")
        table.caption_justify = "left"
    return table


def decisions_table(decisions: "dict[str, RoleDecision]", title: str) -> Table:
    """Return a row for each column, with its role and the reason; columns that are no features are dimmed."""
    table = Table("column", "role", "because", box=box.SIMPLE, title=escape(title), title_justify="left")
    for name, decision in list(decisions.items())[:MAX_COLUMNS]:
        style = "bold" if decision.role == "target" else None if decision.is_feature else "dim"
        table.add_row(escape(name), decision.role, escape(decision.reason), style=style)
    if len(decisions) > MAX_COLUMNS:
        table.add_row("…", "", f"{len(decisions) - MAX_COLUMNS:,} columns more, see conf/params.yaml")
    return table


def changes_table(changes: dict[Path, tuple[int, int]]) -> Table:
    """Return a row for each changed file, with the numbers of added and removed lines."""
    table = Table("file", box=box.SIMPLE)
    for heading in ("lines +", "lines -"):
        table.add_column(heading, justify="right")
    for path, (added, removed) in changes.items():
        table.add_row(escape(path.as_posix()), f"{added:,}", f"{removed:,}")
    return table


def proof_table(proofs: "list[FaultResult]") -> Table:
    """Return a row for each planted fault: where it was planted, and what caught it."""
    table = Table("fault", "planted in", "caught by", box=box.SIMPLE)
    table.add_column("seconds", justify="right")
    for proof in proofs:
        style: str | None
        if proof.crash is not None:
            caught_by = f"could not be planted ({proof.crash})"
            style = "bold red"
        elif proof.caught_by is None:
            caught_by = "does not apply here"
            style = "dim"
        else:
            caught_by = proof.caught_by or "nothing: MISSED"
            style = None if proof.caught_by else "bold red"
        table.add_row(escape(proof.fault), escape(proof.place), escape(caught_by), f"{proof.seconds:.1f}", style=style)
    return table


def versions_table(versions: "list[Version]", metrics: Sequence[Metric], console: Console) -> Table:
    """Return a row for each version: its scores on its own test split, its origin, and whether it is or was current.

    Columns that do not fit the console are left out, which a caption says; the name of a version holds its time too.
    """
    score_names = headings(metrics)
    names = ["version", "made", *score_names, "split", "data", "commit", "gate", "current"]
    omitted: list[str] = []
    by_importance = (*score_names[1:2], "gate", "split", score_names[0], *score_names[2:], "commit", "data", "made")
    for name in (None, *reversed(by_importance)):
        omitted += [name] if name else []
        table = _versions_table(versions, metrics, [heading for heading in names if heading not in omitted])
        if console.measure(table, options=console.options.update(width=UNLIMITED_WIDTH)).maximum <= console.width:
            break
    notes = [f"{version.version}: {version.error}" for version in versions if version.error]
    if omitted:
        notes.append(f"No room for: {', '.join(omitted)}. A wider window, or --json, shows all.")
    table.caption = escape("\n".join(notes)) or None
    table.caption_justify = "left"
    return table


def _versions_table(versions: "list[Version]", metrics: Sequence[Metric], names: list[str]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    score_names = headings(metrics)
    for heading in names:
        table.add_column(heading, justify="right" if heading in score_names else "left", no_wrap=True)
    for version in versions:
        cells = {"version": escape(version.version), "gate": "damaged"}
        if not version.error:
            gate = f"fell short ({len(version.failures)})" if version.failures else "passed"
            usage = "yes" if version.is_current else f"until {_format_time(version.until)[5:]}" if version.until else ""
            scores = (
                f"{sum(version.rows.values()):,}",
                *format_scores(metrics, Scores.model_validate(version.scores))[1:],
            )
            cells |= dict(zip(score_names, scores, strict=True))
            cells |= {"made": _format_time(version.created), "data": version.data[:8]}
            cells |= {"split": escape(version.split.short) if version.split else "not known"}
            cells |= {"commit": short_commit(version.commit), "gate": gate, "current": usage}
        table.add_row(*[cells.get(heading, "") for heading in names], style="dim" if version.error else None)
    return table


def _format_time(time: str) -> str:
    return time[:16].replace("T", " ")


def summary(root: Path, load: Callable[[Path, Contract], "pd.DataFrame"]) -> str:
    """Return the card of the current version and the report on the table of the project in `root`, in Markdown.

    Raises:
        InputError: there is no current version, or the settings, the contract or the table cannot be read.
    """
    card = (current(root / "artifacts") / "MODEL_CARD.md").read_text(encoding="utf-8")
    contract = read_contract(root / "expectations")
    source = read_settings(root / "conf" / "params.yaml", LenientSettings).data.path
    table = load(root / source, contract)
    results = [*check(table, contract.features), *check(table, contract.dataset)]
    return f"{card}\n{data_report(table, results, str(source))}"


def data_report(table: "pd.DataFrame", results: list[ExpectationResult], source: str) -> str:
    """Return the broken expectations on `table`, shape (n, columns), and a summary of each column, in Markdown."""
    broken = [result for result in results if not result.passed]
    violations = [f"- {markdown.text(result.sentence)}{'' if result.critical else ' (warning)'}" for result in broken]
    rows = [
        (name, column.dtype, f"{column.isna().sum():,}", f"{column.nunique():,}", _typical_values(column))
        for name, column in table.items()
    ]
    return "\n".join(
        [
            f"# Data: {source}\n",
            f"{len(table):,} rows; {len(results) - len(broken):,} of {len(results):,} expectations hold.",
            *violations,
            "\n| column | type | missing | different | typical |\n|---|---|---:|---:|---|",
            *(f"| {' | '.join(map(markdown.text, row))} |" for row in rows),
        ]
    )


def _typical_values(column: "pd.Series[Any]") -> str:
    present = column.dropna()
    if present.empty:
        return ""
    if present.dtype.kind == "f":
        low, median, high = present.quantile([0.05, 0.5, 0.95])
        return f"{number(median)}, nine of ten from {number(low)} to {number(high)}"
    shares = present.value_counts(normalize=True).head(3)
    if shares.iloc[0] * len(present) < 2:
        return "all different"  # so each value identifies a record, which a report must not show
    return ", ".join(f"{str(value)[:40]} {share:.0%}" for value, share in shares.items())
