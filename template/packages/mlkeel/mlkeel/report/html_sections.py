"""The sections of the report: the data, the model, and their history."""

import htpy as h
from htpy import Node

from mlkeel.behavior.kinds import case_type_of
from mlkeel.contract.messages import number
from mlkeel.report.bars import bars, distribution_bars, fold
from mlkeel.report.figures import figures_of
from mlkeel.report.history import MonitoredColumn, Run
from mlkeel.report.html_parts import (
    badge,
    figure_of,
    format_time,
    legend_entry,
    note,
    pluralize,
    table_of,
    user_text,
)
from mlkeel.report.importance import importance_of
from mlkeel.report.plots import REFERENCE_DASH, Chart, LegendEntry, line_chart, percent
from mlkeel.report.report_data import Distribution, ModelReview, ReportData, Table
from mlkeel.report.table_importance import DERIVED_NOTE
from mlkeel.tasks.decision import class_rows
from mlkeel.tasks.fairness import FAIRNESS_HEADINGS, GroupFairness, fairness_rows
from mlkeel.tasks.metrics import format_scores, headings

OPEN_COLUMNS = 12  # whose charts are not collapsed
MAX_COLUMNS = 60  # that are drawn
MAX_BROKEN_RULES = 30  # that are listed
MAX_FEATURES = 15  # whose importance is drawn
DERIVED_LEGEND = (LegendEntry("accent", "a column of the table"), LegendEntry("pale", "derived from such columns"))
SELECTION_NOTE = " A gap in the share that is decided on may be right: see what is true in each group."
OPEN_RUNS = 10  # of the monitor that are not collapsed


def data_section(report: ReportData) -> Node:
    """Return the check of the current table against the contract, its columns, and their distributions."""
    table = report.table
    return h.section("#data")[
        h.h2["The data as it is now"],
        [_contract(table), _columns(table, report.latest_run)] if isinstance(table, Table) else note(table),
        _distributions(report.distributions, report.latest_run) if report.distributions else None,
    ]


def _contract(table: Table) -> Node:
    broken = [result for result in table.results if not result.passed]
    passed = len(table.results) - len(broken)
    return [
        h.p[
            h.code[user_text(table.path)],
            f" has {table.rows:,} rows. Of {len(table.results):,} rules of the contract, ",
            h.b[
                f"{passed:,} hold and {len(broken):,} {'does' if len(broken) == 1 else 'do'} not:"
                if broken
                else "all hold."
            ],
        ],
        h.ul(".broken")[
            (
                h.li[
                    badge("broken" if result.critical else "warning", bad=result.critical),
                    " ",
                    user_text(result.sentence),
                ]
                for result in broken[:MAX_BROKEN_RULES]
            )
        ],
        note(f"And {len(broken) - MAX_BROKEN_RULES:,} more.") if len(broken) > MAX_BROKEN_RULES else None,
    ]


def _columns(table: Table, run: Run | None) -> Node:
    names = ["column", "holds", "different values", "missing"]
    monitored = run.columns if run else {}
    rows = [[name, table.types[name], table.unique[name], percent(table.missing[name])] for name in table.missing] + [
        [name, "what is predicted or derived", "", ""] for name in monitored if name not in table.missing
    ]
    if monitored:
        names += ["missing in the window", "moved by", "allowed"]
        for row in rows:
            column = monitored.get(str(row[0]))
            divergence = _divergence(column, "") if column else ""
            row.extend([percent(column.missing), divergence, f"{column.threshold:.3f}"] if column else ["", "", ""])
    return table_of("Columns", names, rows, text_columns=2)


def _distributions(distributions: dict[str, Distribution], run: Run | None) -> Node:
    monitored = run.columns if run else {}
    recent = f"the latest window, {run.window.rows:,} rows" if run and monitored else "the current table"
    most_drifted_first = sorted(
        distributions, key=lambda name: -monitored[name].drift_ratio if name in monitored else 0
    )
    charts = [_distribution(name, distributions[name], run) for name in most_drifted_first[:MAX_COLUMNS]]
    collapsed = charts[OPEN_COLUMNS:]
    not_drawn = len(distributions) - len(charts)
    return [
        h.h3["How values are spread"],
        h.p(".keys")[
            legend_entry(LegendEntry("pale", "the rows that it learnt from")),
            legend_entry(LegendEntry("accent", recent)),
        ],
        note("Numbers are cut where each wide bar holds about a tenth of the rows that it learnt from."),
        h.div(".grid")[charts[:OPEN_COLUMNS]],
        h.details[h.summary[pluralize(len(collapsed), "more column")], h.div(".grid")[collapsed]]
        if collapsed
        else None,
        note(f"{pluralize(not_drawn, 'column')} more, which moved less, are not drawn.") if not_drawn else None,
    ]


def _distribution(name: str, distribution: Distribution, run: Run | None) -> Node:
    labels = distribution.labels
    reference = distribution.reference
    recent = distribution.recent
    chart = Chart(
        name,
        f"{name}: shares of rows in {len(labels)} groups, of the rows that it learnt from and of those now.",
        distribution_bars(name, labels, reference, recent, distribution.edges),
        ("values", "learnt from", "now"),
        [
            (label, percent(reference_share), percent(recent_share))
            for label, reference_share, recent_share in fold(labels, reference, recent)
        ],
    )
    column = run.columns.get(name) if run else None
    caption: Node = None
    if column:
        caption = [_divergence(column, "moved by "), f", {column.threshold:.3f} allowed"]
    return figure_of(chart, caption, level=h.h4)


def _divergence(column: MonitoredColumn, prefix: str) -> Node:
    text = f"{prefix}{column.divergence:.3f}"
    return badge(text, bad=True) if column.drift_ratio > 1 else text


def model_section(report: ReportData) -> Node:
    """Return the scores of the current version on the test split, its figures, importances and behavior cases."""
    review = report.model_review
    if isinstance(review, str):
        return h.section("#model")[h.h2["The model on the test split"], note(f"It could not be judged. {review}")]
    evaluation = review.evaluation
    folds = report.metrics_file.cross_validation
    min_skill = report.settings.gate.min_skill
    overall_badge = badge("falls short", bad=True) if evaluation.overall_failures(report.settings.gate) else "passes"
    rows: list[tuple[object, ...]] = [
        ("all", *format_scores(report.metrics, evaluation.model), overall_badge),
        (
            f"baseline: answers {evaluation.task.baseline_description}",
            *format_scores(report.metrics, evaluation.baseline),
            "",
        ),
    ]
    for name, scores in evaluation.slices.items():
        slice_badge = badge("weak", bad=True) if name in review.weak_slices else "passes"
        rows.append((name, *format_scores(report.metrics, scores), slice_badge))
    rival = report.metrics_file.rival
    return h.section("#model")[
        h.h2["The model on the test split"],
        h.p[f"{evaluation.skill_sentence} (± spans about 95 %); the gate asks for {min_skill:.1%}."],
        h.p[user_text(f"{str(rival['sentence']).rstrip('.')}.")] if rival else None,
        table_of("Scores", ("rows of the test split", *headings(report.metrics), "gate"), rows),
        note(f"Split: {evaluation.split.sentence}.") if evaluation.split else None,
        [
            note(f"{sentence}.")
            for sentence in evaluation.calibration_sentences(folds.calibration_error if folds else None)
        ],
        _classes(review),
        [note(text) for text in review.notes],
        h.div(".grid")[[figure_of(chart) for chart in review.charts], _importance(review, report)],
        [_fairness(each) for each in report.metrics_file.fairness],
        _behavior(review, report),
    ]


def _fairness(fairness: GroupFairness) -> Node:
    """Return the gaps between the groups of a protected column, and the values of each group."""
    rows = [
        (*row[:-1], badge("beyond chance", bad=True) if gap.exceeds_chance else "chance explains it")
        for gap, row in zip(fairness.gaps, fairness_rows(fairness), strict=True)
    ]
    groups = [
        (name, gap.title, score.rows, gap.format(score.value), gap.format_interval(score.low, score.high))
        for gap in fairness.gaps
        for name, score in gap.groups.items()
    ]
    learnt = "learnt from all the same" if fairness.learnt_from else "not learnt from"
    names = (*FAIRNESS_HEADINGS[:-1], "")
    return [
        h.h3["Fairness: groups of ", user_text(fairness.column)],
        h.p[f"It is protected, and {learnt}. ", user_text(fairness.proxy_sentence)],
        table_of(f"Gaps of {fairness.column}", names, rows, text_columns=3) if rows else None,
        note(fairness.small_groups_sentence) if fairness.too_small else None,
        note(
            "On the rows that the gate judged by. Each value has an interval at 95 %; those of all gaps hold together "
            f"at 95 %.{SELECTION_NOTE if any(gap.metric == 'selection_rate' for gap in fairness.gaps) else ''}"
        ),
        h.details[
            h.summary["Each group"],
            table_of(
                f"Groups of {fairness.column}", ("group", "metric", "rows", "value", "interval"), groups, text_columns=2
            ),
        ]
        if groups
        else None,
    ]


def _classes(review: ModelReview) -> Node:
    evaluation = review.evaluation
    if not evaluation.classes:
        return None
    decision = evaluation.decision.sentence if evaluation.decision else "It decides on the most likely class"
    return [
        h.p[user_text(f"{decision}.")],
        table_of("Classes", ("class", "rows", "recall", "precision"), class_rows(evaluation.classes)),
    ]


def _importance(review: ModelReview, report: ReportData) -> Node:
    importances = review.importances
    if not importances:
        return None
    importance = importance_of(report.contract)
    loss = figures_of(report.contract, report.settings.data.target).LOSS
    cut_note = f" Drawn are the first {MAX_FEATURES} of {len(importances)}." if len(importances) > MAX_FEATURES else ""
    first_name, first_increase, _ = importances[0]
    chart = Chart(
        importance.CHART_TITLE,
        f"Bar chart: the loss rises most, by {number(round(first_increase, 4))}, without {first_name}.",
        bars(importances[:MAX_FEATURES], f"rise of the {loss}", review.derived_from),
        ("without", "rise of the loss", "spread"),
        [
            (_with_sources(name, review), number(round(increase, 4)), number(round(spread, 4)))
            for name, increase, spread in importances
        ],
        legend=DERIVED_LEGEND if review.derived_from else (),
        note=f"{importance.CHART_NOTE}{DERIVED_NOTE if review.derived_from else ''}{cut_note}",
    )
    return figure_of(chart)


def _with_sources(name: str, review: ModelReview) -> str:
    sources = review.derived_from.get(name)
    return f"{name}, derived from {', '.join(sources)}" if sources else name


def _behavior(review: ModelReview, report: ReportData) -> Node:
    kinds = case_type_of(report.contract, report.settings.data.target).KINDS
    if not review.cases:
        return [
            h.h3["Behaviour"],
            note("tests/model/behavior.yaml holds no cases. What must the model do? Write it there."),
        ]
    failed = [case for case in review.cases if case.failure]
    rows = [
        (
            badge("fails", bad=True) if case.failure else "passes",
            case.name,
            case.kind.replace("_", " "),
        )
        + ((case.failure or "",) if failed else ())
        for case in sorted(review.cases, key=lambda case: not case.failure)
    ]
    table = table_of("Behaviour", ("", "case", "kind", "instead")[: len(rows[0])], rows, text_columns=4)
    descriptions = [
        h.li[h.b[kind.replace("_", " ")], ": ", description.replace("`", '"')] for kind, description in kinds.items()
    ]
    summary = f"{len(rows) - len(failed)} pass and {len(failed)} {'fails' if len(failed) == 1 else 'fail'}."
    return [
        h.h3["Behaviour"],
        h.p[
            f"Of {len(rows)} cases in ",
            h.code["tests/model/behavior.yaml"],
            ", ",
            h.b[summary if failed else "all pass."],
        ],
        table if failed else h.details[h.summary["The cases"], table],
        h.ul(".note")[descriptions],
    ]


def history_section(report: ReportData) -> Node:
    """Return the versions with their scores, the runs of the monitor, and the quality in production."""
    return h.section("#history")[
        h.h2["History"],
        h.h3["Versions"],
        _versions(report),
        h.h3["Runs of the monitor"],
        [note(text) for text in report.run_notes],
        _runs(report.runs) if report.runs else note("None is known yet."),
        _quality(report.latest_run, report),
    ]


def _versions(report: ReportData) -> Node:
    versions = report.versions
    skills = [version.skill for version in versions]
    rows = [
        (
            h.code[version.name],
            badge("current") if version.is_current else badge("falls short", bad=True) if version.failures else "",
            version.rows,
            *format_scores(report.metrics, version.scores)[1:],
            f"{version.skill:.1%}",
        )
        for version in reversed(versions)
    ]
    names = ("version", "", "learnt from", *headings(report.metrics)[1:], "saved")
    table = table_of("Versions", names, rows, text_columns=2)
    if len(versions) < 2:
        return table
    current = [index for index, version in enumerate(versions) if version.is_current]
    min_skill = report.settings.gate.min_skill
    chart = Chart(
        "What each version saves of the baseline's loss",
        f"Line of {pluralize(len(versions), 'version')}; the latest saves {skills[-1]:.1%}.",
        line_chart(skills, [version.name[-8:] for version in versions], current, "share saved", min_skill),
        legend=(LegendEntry("bad", "gate", REFERENCE_DASH),),
        note="Each was judged on the test split of its day. The ring marks the current version.",
    )
    return [figure_of(chart, level=None), table]


def _quality(run: Run | None, report: ReportData) -> Node:
    if run is None or run.quality is None:
        return None
    scores_by_name = {"as promised": run.quality.promised, "in production": run.quality.live} | run.quality.slices
    rows = [(name, *format_scores(report.metrics, scores)) for name, scores in scores_by_name.items()]
    return [
        h.h3["Answers of the latest window whose truth is known"],
        table_of("Quality in production", ("rows", "number", *headings(report.metrics)[1:]), rows),
    ]


def _runs(runs: list[Run]) -> Node:
    rows = [
        (
            h.span(".day")[format_time(run.time)],
            badge(run.summary, bad=True) if run.outcome != "fine" else run.summary,
            run.reason or "; ".join(violation.sentence for violation in run.violations[:3]) or "nothing is broken",
            run.window.rows,
            h.code[run.artifact[-8:]],
        )
        for run in reversed(runs)
    ]
    names = ("time", "outcome", "what was found", "rows", "version")
    table = table_of("Runs of the monitor", names, rows, text_columns=3, open_rows=OPEN_RUNS)
    runs_with_columns = [run for run in runs if run.columns]
    if len(runs_with_columns) < 2:
        return table
    ratios = [run.max_drift_ratio for run in runs_with_columns]
    dates = [run.time[5:10] for run in runs_with_columns]
    chart = Chart(
        "The column that moved most in each run",
        f"Line of {len(ratios)} runs; in the latest, the column that moved most used {ratios[-1]:.0%} "
        "of its allowance.",
        line_chart(ratios, dates, [], "divergence, as a multiple of what is allowed", 1.0),
        legend=(LegendEntry("bad", "allowed", REFERENCE_DASH),),
    )
    return [figure_of(chart, level=None), table]
