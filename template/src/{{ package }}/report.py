"""Put results into words: tables for the terminal and the model card."""

from typing import Any

from rich import box
from rich.table import Table

from .contract import Contract
from .evaluate import Evaluation, Scores
from .settings import Settings


def evaluation_table(evaluation: Evaluation) -> Table:
    """One line for the model, one for the baseline and one for each slice."""
    table = Table(box=box.SIMPLE)
    table.add_column("test part")
    for heading in ("rows", "accuracy", "macro F1", "log loss"):
        table.add_column(heading, justify="right")
    rows = {"model": evaluation.model, "baseline": evaluation.baseline, **evaluation.slices}
    for name, scores in rows.items():
        table.add_row(name, *_figures(scores))
    return table


def model_card(metrics: dict[str, Any], settings: Settings, contract: Contract) -> str:
    """The model card, in Markdown (after "Model Cards for Model Reporting", Mitchell et al. 2019)."""
    features = ", ".join(f"`{column.name}`" for column in contract.columns)
    rows = metrics["rows"]
    results = {"model": metrics["model"], "baseline": metrics["baseline"], **metrics["slices"]}
    lines = "\n".join(f"| {name} | {' | '.join(_figures(Scores(**scores)))} |" for name, scores in results.items())
    verdict = "; ".join(metrics["shortcomings"]) or "it passed the gate in `params.yaml`"
    return f"""# Model {metrics["version"]}

Predicts `{settings.data.target}` as one of {", ".join(contract.categories(settings.data.target))}, from {features}.

Trained {metrics["created"]} on `{metrics["data"]["path"]}` (SHA-256 `{metrics["data"]["sha256"][:12]}`):
{rows["train"]:,} rows to learn from, {rows["validation"]:,} to stop by, {rows["test"]:,} to judge by.

## Results on the test part

| | rows | accuracy | macro F1 | log loss |
|---|---:|---:|---:|---:|
{lines}

Verdict: {verdict}.

## Limits

It answers for rows that satisfy `features.json` beside this file, and for no others. Slices with fewer than
{settings.gate.slice_rows} test rows are not judged. The baseline answers with the shares of the classes in training.
"""


def _figures(scores: Scores) -> tuple[str, ...]:
    f1 = "-" if scores.macro_f1 is None else f"{scores.macro_f1:.3f}"
    return f"{scores.rows:,}", f"{scores.accuracy:.3f}", f1, f"{scores.log_loss:.3f}"
