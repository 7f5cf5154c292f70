"""Derive a verdict of one sentence, and recommendations of what to do next, from the data of the report."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlkeel.contract.messages import summarize
from mlkeel.report.report_data import ModelReview, ReportData, Table, days_since

MAX_RUN_AGE_DAYS = 7  # an older run of the monitor says little of today
MAX_NAMES = 5  # columns or slices in a sentence
MIN_STANDARD_DEVIATIONS = 2.0  # by which the loss must rise without a feature; less can be chance
REMEDIES = {
    "contract": "Rows of late break the contract: correct their source or, if they are right, change expectations/.",
    "drift": "Look at where it comes from. If the world has changed, train on recent rows; if not, mend the source.",
    "missing": "More of it is missing than before: find out what no longer fills it.",
    "rejected": "Too many rows are refused: ask those who send them what they changed.",
    "quality": "Its answers are worse than promised: add recent rows with their truth to the table, and train.",
    "skew": "What is served is not what was evaluated: hold serving against the artifact, and start it anew.",
    "staleness": "The model is old: add recent rows to the table, and train.",
    "latency": "It answers too slowly: give it more room, or look at what sends so much.",
}
WARNING_NOTE = " It is a warning, which never becomes an alarm."
COMMANDS = {"drift": "make train", "quality": "make train", "staleness": "make train", "contract": "make test-data"}


@dataclass(frozen=True)
class Recommendation:
    """What to do and why; it is `critical` if nobody should rely on the model before it is done."""

    why: str
    what: str
    command: str = ""
    critical: bool = False


def verdict(report: ReportData, recommendations: list[Recommendation]) -> str:
    """Return the state of the model in one sentence."""
    critical = sum(recommendation.critical for recommendation in recommendations)
    if critical:
        things = "one thing" if critical == 1 else f"{critical} things"
        return f"It needs attention: {things} below should be put right before its answers are relied on."
    if isinstance(report.model_review, ModelReview) and report.model_review.evaluation.could_be_chance:
        return "It may know nothing: on the test split it is no better than chance allows."
    skill_clause = (
        f", and saves {report.model_review.evaluation.skill:.0%} of the baseline's loss"
        if isinstance(report.model_review, ModelReview)
        else ""
    )
    if isinstance(report.model_review, ModelReview) and report.model_review.evaluation.remarks:
        return f"It passes its gate{skill_clause}, but misses most rows of a class; see below what to do."
    if report.latest_run_on_current is None:
        return f"It passes its gate{skill_clause}; how it does in production is not known yet."
    if pending := report.latest_run_on_current.pending:
        things = "one thing that is" if pending == 1 else f"{pending} things that are"
        return f"It may need attention: the latest run of the monitor found {things} no alarm yet."
    return f"It is well: it passes its gate{skill_clause}, and the latest run of the monitor raised no alarm."


def recommend(report: ReportData) -> list[Recommendation]:
    """Return what to do next, critical recommendations first."""
    recommendations = [*_on_table(report), *_on_model(report), *_on_monitor(report), *_on_versions(report)]
    return sorted(recommendations, key=lambda recommendation: not recommendation.critical) or [
        Recommendation("Nothing was found that needs doing.", "Go on watching it.", "make monitor")
    ]


def _on_table(report: ReportData) -> Iterator[Recommendation]:
    if isinstance(report.table, str):
        yield Recommendation("The current table cannot be looked at.", report.table, critical=True)
        return
    broken = [result for result in report.table.results if not result.passed]
    if critical := [result for result in broken if result.critical]:
        rules = "one rule" if len(critical) == 1 else f"{len(critical)} rules"
        yield Recommendation(
            f"The table breaks {rules} of the contract.",
            f"Correct {report.table.path} or, if it is right, the rules in expectations/.",
            "make test-data",
            critical=True,
        )
    if empty := [name for name, share in report.table.missing.items() if share == 1]:
        yield Recommendation(f"The table has no value of {_list_names(empty)}.", "Fill it, or take the column out.", "")


def _on_model(report: ReportData) -> Iterator[Recommendation]:
    review = report.model_review
    if isinstance(review, str):
        if isinstance(report.table, Table) and all(
            result.passed or not result.critical for result in report.table.results
        ):
            yield Recommendation("The model could not be judged on the table.", review, critical=True)
        return
    gate = report.settings.gate
    evaluation = review.evaluation
    if review.weak_slices:
        yield Recommendation(
            f"The model is weak where {_list_names(review.weak_slices)}.",
            "Collect more such rows and train; or look at whether their truth is right.",
            "make train",
            critical=True,
        )
    if failures := evaluation.overall_failures(gate):
        yield Recommendation(
            "The model does not pass its gate any more.",
            summarize(failures[:1], ""),
            "make train",
            critical=True,
        )
    if failed := [case for case in review.cases if case.failure]:
        yield Recommendation(
            f"It does not behave as tests/model/behavior.yaml asks in {len(failed)} of {len(review.cases)} cases.",
            "See them under Behaviour; correct the cases, or add rows that teach it.",
            "make test-model",
            critical=True,
        )
    if useless := _useless_features(report, review):
        yield Recommendation(
            f"Nothing shows that the model needs {_list_names(useless)}: its loss is hardly higher without.",
            "Give them the role ignored under columns in conf/params.yaml, adopt the table again, and compare.",
        )
    yield from (Recommendation("On the test split:", remark) for remark in review.remarks)
    yield from _on_groups(report)
    if (rival := report.metrics_file.rival) and rival.get("within_noise"):
        yield Recommendation(
            "A simpler model does as well.",
            f"{str(rival['sentence']).rstrip('.')}. Think of using it instead, in model.py, or add columns or rows.",
            "make train",
        )
    if review.data_changed:
        yield Recommendation(
            f"{report.settings.data.path} is not as it was when this model was trained.",
            "Train again: a row that was changed since may have been learnt from, so the scores can be too good.",
            "make train",
        )
    if report.age_days > report.settings.monitor.stale_days:
        yield Recommendation(
            f"The model is {report.age_days:,.0f} days old; {report.settings.monitor.stale_days:g} are allowed.",
            REMEDIES["staleness"],
            "make train",
        )


def _on_groups(report: ReportData) -> Iterator[Recommendation]:
    for fairness in report.metrics_file.fairness:
        if fairness.remark:
            yield Recommendation(
                fairness.remark,
                f"Find out why: fewer or poorer rows of a group, another truth there, or features that tell it. "
                f"{fairness.proxy_sentence}",
            )


def _useless_features(report: ReportData, review: ModelReview) -> list[str]:
    """Return the features of a table whose permutation raises the loss by no more than its repeats differ."""
    columns = {column.name for column in report.contract.columns if not column.text}
    return [
        name
        for name, rise, deviation in review.importances
        if name in columns and rise <= MIN_STANDARD_DEVIATIONS * deviation
    ]


def _on_monitor(report: ReportData) -> Iterator[Recommendation]:
    latest = report.latest_run
    run = report.latest_run_on_current
    if latest is None:
        yield Recommendation(
            "The monitor has not run yet, so nobody knows whether the world is still as it was in training.",
            "Serve it, which records its answers, and run the monitor each day; or give it recent rows in a file.",
            "make monitor",
        )
        return
    if not latest.artifact and days_since(latest.time, report.created_at) < report.age_days:
        yield Recommendation("The monitor could not tell when it last ran.", latest.reason or "", "make monitor")
    elif run is None:
        version = latest.artifact or "an earlier version"
        yield Recommendation(
            f"The latest run of the monitor was about {version}.", "Run it for this one.", "make monitor"
        )
    if run is None:
        return
    for check in dict.fromkeys(violation.check for violation in run.violations):
        violations = [violation for violation in run.violations if violation.check == check]
        if check == "staleness" and report.age_days > report.settings.monitor.stale_days:
            continue
        names = [violation.column for violation in violations if violation.column]
        alarm = any(violation.alarm for violation in violations)
        only_warnings = not any(violation.may_alarm for violation in violations)
        why = (
            f"{_list_names(names)} moved."
            if check == "drift" and names
            else "; ".join(violation.sentence for violation in violations[:3]).rstrip(".") + "."
        )
        severity_note = (
            ""
            if alarm
            else WARNING_NOTE
            if only_warnings
            else " It is no alarm yet; see whether the next run says the same."
        )
        what = REMEDIES.get(check, "Look at it.") + severity_note
        yield Recommendation(why, what, COMMANDS.get(check, ""), critical=alarm)
    if (days := days_since(run.time, report.created_at)) > MAX_RUN_AGE_DAYS:
        yield Recommendation(f"The monitor last ran {days:,.0f} days ago.", "Run it each day.", "make monitor")


def _on_versions(report: ReportData) -> Iterator[Recommendation]:
    later = [version for version in report.versions if version.name > report.version]
    if later and later[-1].failures:
        card = f"artifacts/{later[-1].name}/MODEL_CARD.md"
        yield Recommendation(
            f"{later[-1].name} is newer and not current.", summarize(later[-1].failures, card), "make versions"
        )


def _list_names(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else "")
