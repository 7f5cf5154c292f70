"""Put results into words: tables for the terminal, and a summary in Markdown."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlkeel.config import KeptSettings, read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.contract.validate import Finding, check
from mlkeel.contract.wording import number
from mlkeel.registry.artifact import current
from mlkeel.registry.revision import shown_commit
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, Scores, figures, headings

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.adopt.columns import Decision
    from mlkeel.registry.versions import Version
    from mlkeel.testing.prove import Proof

SHOWN = 60  # columns
ROOMY = 1_000  # letters in a line, more than any table has


def evaluation_table(evaluation: Evaluation) -> Table:
    """One line for the model, one for the baseline and one for each slice."""
    table = Table(box=box.SIMPLE)
    table.add_column("test part")
    for heading in headings(evaluation.metrics):
        table.add_column(heading, justify="right")
    rows = {"model": evaluation.model, "baseline": evaluation.baseline, **evaluation.slices}
    for name, scores in rows.items():
        table.add_row(escape(name), *figures(evaluation.metrics, scores))
    return table


def decisions_table(decisions: "dict[str, Decision]", title: str) -> Table:
    """One line for each column, with its role and the reason; what is no feature is dimmed."""
    table = Table("column", "role", "because", box=box.SIMPLE, title=escape(title), title_justify="left")
    for name, decision in list(decisions.items())[:SHOWN]:
        style = "bold" if decision.role == "target" else None if decision.is_feature else "dim"
        table.add_row(escape(name), decision.role, escape(decision.reason), style=style)
    if len(decisions) > SHOWN:
        table.add_row("…", "", f"{len(decisions) - SHOWN:,} columns more, see conf/params.yaml")
    return table


def changes_table(changes: dict[Path, tuple[int, int]]) -> Table:
    """One line for each file that changes."""
    table = Table("file", box=box.SIMPLE)
    for heading in ("lines +", "lines -"):
        table.add_column(heading, justify="right")
    for path, (gained, lost) in changes.items():
        table.add_row(escape(path.as_posix()), f"{gained:,}", f"{lost:,}")
    return table


def proof_table(proofs: "list[Proof]") -> Table:
    """One line for each fault: where it was planted, and what caught it."""
    table = Table("fault", "planted in", "caught by", box=box.SIMPLE)
    table.add_column("seconds", justify="right")
    for proof in proofs:
        style: str | None
        if proof.crash is not None:
            caught, style = f"could not be planted ({proof.crash})", "bold red"
        elif proof.caught_by is None:
            caught, style = "does not apply here", "dim"
        else:
            caught, style = proof.caught_by or "nothing: MISSED", None if proof.caught_by else "bold red"
        table.add_row(escape(proof.fault), escape(proof.place), escape(caught), f"{proof.seconds:.1f}", style=style)
    return table


def versions_table(versions: "list[Version]", metrics: Sequence[Metric], console: Console) -> Table:
    """One line for each version: its scores on its own test part, what it is from, and whether it is or was in use.

    Columns that the console has no room for are left out, and said to be; when one was made stands in its name too.
    """
    scored = headings(metrics)
    names = ["version", "made", *scored, "data", "commit", "gate", "in use"]
    left_out: list[str] = []
    for name in (None, "commit", "data", "made", *scored[:1:-1], scored[0], "gate", *scored[1:2]):
        left_out += [name] if name else []
        table = _versions(versions, metrics, [heading for heading in names if heading not in left_out])
        if console.measure(table, options=console.options.update(width=ROOMY)).maximum <= console.width:
            break
    faults = [f"{one.version}: {one.fault}" for one in versions if one.fault]
    if left_out:
        faults.append(f"No room for: {', '.join(left_out)}. A wider window, or --json, shows all.")
    table.caption, table.caption_justify = escape("\n".join(faults)) or None, "left"
    return table


def _versions(versions: "list[Version]", metrics: Sequence[Metric], names: list[str]) -> Table:
    table, scored = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True), headings(metrics)
    for heading in names:
        table.add_column(heading, justify="right" if heading in scored else "left", no_wrap=True)
    for one in versions:
        cells = {"version": escape(one.version), "gate": "damaged"}
        if not one.fault:
            passed = f"fell short ({len(one.shortcomings)})" if one.shortcomings else "passed"
            used = "yes" if one.in_use else f"until {_moment(one.until)[5:]}" if one.until else ""
            values = f"{sum(one.rows.values()):,}", *figures(metrics, Scores.model_validate(one.scores))[1:]
            cells |= dict(zip(scored, values, strict=True)) | {"made": _moment(one.created), "data": one.data[:8]}
            cells |= {"commit": shown_commit(one.commit), "gate": passed, "in use": used}
        table.add_row(*[cells.get(heading, "") for heading in names], style="dim" if one.fault else None)
    return table


def _moment(time: str) -> str:
    return time[:16].replace("T", " ")


def summary(root: Path, load: Callable[[Path, Contract], "pd.DataFrame"]) -> str:
    """The card of the model in use and the report on the table of the project in `root`, in Markdown.

    Raises:
        InputError: no model is in use, or the settings, the contract or the table cannot be read.
    """
    card = (current(root / "artifacts") / "MODEL_CARD.md").read_text(encoding="utf-8")
    contract, source = (
        read_contract(root / "expectations"),
        read_settings(root / "conf" / "params.yaml", KeptSettings).data.path,
    )
    table = load(root / source, contract)
    findings = [*check(table, contract.features), *check(table, contract.dataset)]
    return f"{card}\n{data_report(table, findings, str(source))}"


def data_report(table: "pd.DataFrame", findings: list[Finding], source: str) -> str:
    """What the contract says of `table`, shape (n, columns), and what stands in each column, in Markdown."""
    broken = [finding for finding in findings if not finding.passed]
    said = [f"- {_cell(one.sentence)}{'' if one.critical else ' (warning)'}" for one in broken]
    rows = [
        (name, column.dtype, f"{column.isna().sum():,}", f"{column.nunique():,}", _typical(column))
        for name, column in table.items()
    ]
    return "\n".join(
        [
            f"# Data: {source}\n",
            f"{len(table):,} rows; {len(findings) - len(broken):,} of {len(findings):,} expectations hold.",
            *said,
            "\n| column | type | missing | different | typical |\n|---|---|---:|---:|---|",
            *(f"| {' | '.join(map(_cell, row))} |" for row in rows),
        ]
    )


def _typical(column: "pd.Series[Any]") -> str:
    present = column.dropna()
    if present.empty:
        return ""
    if present.dtype.kind == "f":
        low, middle, high = present.quantile([0.05, 0.5, 0.95])
        return f"{number(middle)}, nine of ten from {number(low)} to {number(high)}"
    shares = present.value_counts(normalize=True).head(3)
    if shares.iloc[0] * len(present) < 2:
        return "all different"  # so each names a record, which is nobody's business
    return ", ".join(f"{str(value)[:40]} {share:.0%}" for value, share in shares.items())


def _cell(text: object) -> str:
    """Text that cannot end a cell of a table, begin a tag or break the line."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
