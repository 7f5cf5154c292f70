"""The model card of a version, in Markdown."""

from mlkeel.config import Settings
from mlkeel.contract import markdown
from mlkeel.contract.suites import Contract
from mlkeel.features.layout import Layout
from mlkeel.features.python_features import MODULE
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.registry.revision import short_commit
from mlkeel.tasks.decision import class_rows
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import format_scores, headings
from mlkeel.tasks.output_types import output_type_of


def model_card(
    metrics: MetricsFile, settings: Settings, contract: Contract, evaluation: Evaluation, layout: Layout
) -> str:
    """Return the model card (after "Model Cards for Model Reporting", Mitchell et al. 2019)."""
    target = settings.data.target
    features = ", ".join(markdown.code(column.name) for column in contract.columns)
    if layout.derived:
        features += f", and what is derived of them: {', '.join(map(markdown.code, layout.derived))}"
    rows = metrics.rows
    names = headings(evaluation.metrics)
    results = {"model": metrics.model, "baseline": metrics.baseline, **metrics.slices}
    if metrics.cross_validation:
        results |= metrics.cross_validation.rows()
    lines = "\n".join(
        f"| {markdown.text(name)} | {' | '.join(format_scores(evaluation.metrics, scores))} |"
        for name, scores in results.items()
    )
    verdict = markdown.text("; ".join(metrics.failures)) or "it passed the gate in `params.yaml`"
    champion = markdown.text(metrics.champion["sentence"]) if metrics.champion else "no version was current"
    split = f"\nHow they were split: {markdown.text(metrics.split.sentence)}." if metrics.split else ""
    split += markdown.text(_split_remark(settings, contract))
    commit = f" at commit `{short_commit(metrics.commit)}`" if metrics.commit else ""
    return f"""# Model {metrics.version}

Predicts {markdown.code(target)} {output_type_of(contract, target).output_sentence(contract, target)}, from {features}.

Trained {metrics.created} on {markdown.code(metrics.data.path)} (SHA-256 `{metrics.data.sha256[:12]}`){commit}:
{rows["train"]:,} rows to learn from, {rows["validation"]:,} to stop by, {rows["test"]:,} to judge by.{split}

## Results on the test split

| | {" | ".join(map(markdown.text, names))} |
|---|{"---:|" * len(names)}
{lines}
{_classes(evaluation)}
{_calibration(metrics, evaluation)}

Beside the version that was current before: {champion}.

Verdict: {verdict}.

## Limits

It answers for rows that satisfy `features.json` beside this file, and for no others. Slices with fewer than
{settings.gate.min_slice_rows} test rows are not judged. The baseline answers {evaluation.task.baseline_description}.
{_portability(layout)}"""


def _classes(evaluation: Evaluation) -> str:
    """Return recall and precision of each class, and how one is decided on."""
    if not evaluation.classes:
        return ""
    lines = "\n".join(f"| {' | '.join(map(markdown.text, row))} |" for row in class_rows(evaluation.classes))
    decision = evaluation.decision.sentence if evaluation.decision else "It decides on the most likely class"
    remarks = "".join(f" {markdown.text(remark)}" for remark in evaluation.remarks)
    return f"""
| class | rows | recall | precision |
|---|---:|---:|---:|
{lines}

{markdown.text(decision)}.{remarks}
"""


def _calibration(metrics: MetricsFile, evaluation: Evaluation) -> str:
    """Say how sure the model is, and whether its outputs were corrected."""
    folds = metrics.cross_validation
    sentences = evaluation.calibration_sentences(folds.calibration_error if folds else None)
    if not metrics.calibration:
        outputs = "Probabilities" if evaluation.classes else "Intervals"
        sentences.append(f"{outputs} are as the model gives them")
    return " ".join(f"{sentence}." for sentence in sentences)


def _portability(layout: Layout) -> str:
    """Say what a version with Python features needs beside its graph."""
    if not layout.python:
        return ""
    columns = ", ".join(map(markdown.code, layout.python))
    return (
        f"\nIt is not portable: {columns} are computed by {markdown.code(MODULE)}, of which a copy lies beside this "
        "file, and not by\nthe graph. Only a project or an image with that same file answers with it.\n"
    )


def _split_remark(settings: Settings, contract: Contract) -> str:
    """Return what `adopt` said against the split, or for another one; empty if nothing."""
    proposal = contract.dataset["meta"].get("split")
    if not proposal:
        return ""
    split = settings.data.split
    columns = [proposal[name] for name in ("group", "time") if name in proposal]
    if (split.by, *split.columns) == (proposal["by"], *columns):
        return f" But {proposal['remark']}." if "remark" in proposal else ""
    by = ": ".join([proposal["by"], *([", ".join(columns)] if columns else [])])
    return f" It was proposed to split by {by}, as {proposal['reason']}."
