"""The model card of a version, in Markdown."""

from mlkeel.config import Settings
from mlkeel.contract import markdown
from mlkeel.contract.suites import Contract
from mlkeel.features.layout import Layout
from mlkeel.features.python_features import MODULE
from mlkeel.project import Trained
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.registry.revision import short_commit
from mlkeel.tasks.decision import class_rows
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.fairness import FAIRNESS_HEADINGS, GroupFairness, fairness_rows
from mlkeel.tasks.metrics import Scores, format_scores, headings
from mlkeel.tasks.output_types import output_type_of


def model_card(metrics: MetricsFile, settings: Settings, contract: Contract, trained: Trained, layout: Layout) -> str:
    """Return the model card (after "Model Cards for Model Reporting", Mitchell et al. 2019)."""
    evaluation = trained.evaluation
    target = settings.data.target
    features = ", ".join(markdown.code(column.name) for column in contract.columns)
    if layout.derived:
        features += f", and what is derived of them: {', '.join(map(markdown.code, layout.derived))}"
    results = {"model": metrics.model, "baseline": metrics.baseline, **metrics.slices}
    failures = markdown.text("; ".join(metrics.failures))
    verdict = f"It does not pass the gate: {failures}" if failures else "It passes the gate in `params.yaml`"
    champion = markdown.text(metrics.champion["sentence"]) if metrics.champion else "no version was current"
    skill = trained.judged.skill_sentence
    rival = f"{markdown.text(metrics.rival['sentence'])}. " if metrics.rival else ""
    split = f"\nHow they were split: {markdown.text(metrics.split.sentence)}." if metrics.split else ""
    split += markdown.text(_split_remark(settings, contract))
    commit = f" at commit `{short_commit(metrics.commit)}`" if metrics.commit else ""
    return f"""# Model {metrics.version}

Predicts {markdown.code(target)} {output_type_of(contract, target).output_sentence(contract, target)}, from {features}.

Trained {metrics.created} on {markdown.code(metrics.data.path)} (SHA-256 `{metrics.data.sha256[:12]}`){commit}:
{_rows(metrics)}.{split}{_weights(settings)}

## Results on the test split

{_scores(results, evaluation)}
{_classes(evaluation)}{_folds(metrics, evaluation)}
{_calibration(metrics, evaluation)}

## Verdict

{verdict}.

{markdown.text(skill)}. {rival}What stands behind ± spans about 95 %.
Beside the version that was current before: {champion}.
{_fairness(metrics)}
## Limits

It answers for rows that satisfy `features.json` beside this file, and for no others. Slices with fewer than
{settings.gate.min_slice_rows} test rows are not judged. The baseline answers {evaluation.task.baseline_description}.
{_portability(layout)}"""


def _rows(metrics: MetricsFile) -> str:
    """Say which rows it learnt from, and how many judge it."""
    train, validation, test = (metrics.rows[name] for name in ("train", "validation", "test"))
    match metrics.fit:
        case "train_validation":
            return (
                f"{train:,} rows to learn from, {validation:,} to stop by, then all {train + validation:,} to learn "
                f"from anew, with as many\nrounds; {test:,} to judge by, which it has not learnt from"
            )
        case "bag":
            return (
                f"{metrics.n_models} models, which are averaged, each with a fold of {train + validation:,} rows to "
                f"stop by and the others to learn from;\n{test:,} rows to judge by, which none has learnt from"
            )
    return f"{train:,} rows to learn from, {validation:,} to stop by, {test:,} to judge by"


def _weights(settings: Settings) -> str:
    """Say by what rows were weighted, if they were."""
    remarks = ""
    if settings.weight is not None:
        remarks += f" It learnt with the weights in {markdown.code(settings.weight)}; the scores count each row once."
    if settings.class_weight is not None:
        weights = settings.class_weight if isinstance(settings.class_weight, dict) else {}
        listed = ", ".join(f"{name} {weight:g}" for name, weight in weights.items()) or "balanced"
        remarks += f" Classes were weighted ({markdown.text(listed)}), so its probabilities are not shares of rows."
    return remarks


def _scores(results: dict[str, Scores], evaluation: Evaluation) -> str:
    """Return a table of scores by their names."""
    names = headings(evaluation.metrics)
    lines = "\n".join(
        f"| {markdown.text(name)} | {' | '.join(format_scores(evaluation.metrics, scores))} |"
        for name, scores in results.items()
    )
    return f"| | {' | '.join(map(markdown.text, names))} |\n|---|{'---:|' * len(names)}\n{lines}"


def _folds(metrics: MetricsFile, evaluation: Evaluation) -> str:
    """Return the scores of the cross-validation, which are of other models and of more rows than the test split."""
    if not metrics.cross_validation:
        return ""
    return f"\n## Results of the cross-validation\n\n{_scores(metrics.cross_validation.rows(), evaluation)}\n"


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


def _fairness(metrics: MetricsFile) -> str:
    """Return the gaps between the groups of each protected column, and what tells it; empty if none is protected."""
    return "".join(f"\n## Fairness: {markdown.text(each.column)}\n{_group_gaps(each)}" for each in metrics.fairness)


def _group_gaps(fairness: GroupFairness) -> str:
    rows = fairness_rows(fairness)
    lines = "\n".join(f"| {' | '.join(map(markdown.text, row))} |" for row in rows)
    table = f"\n| {' | '.join(FAIRNESS_HEADINGS)} |\n|---|---|---|---:|---|---|\n{lines}\n" if rows else ""
    sentences = [
        f"{'It is learnt from' if fairness.learnt_from else 'It is not learnt from'}, and its groups are compared on "
        f"{sum(fairness.rows.values()):,} rows that were not learnt from.",
        fairness.small_groups_sentence,
        "" if rows else "So there is nothing to compare.",
        fairness.remark,
        fairness.proxy_sentence,
    ]
    return f"{table}\n{markdown.text(' '.join(filter(None, sentences)))}\n"


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
