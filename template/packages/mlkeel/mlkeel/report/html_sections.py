"""The sections of the report: the data, the model, and their history."""

import htpy as h
from htpy import Node

from mlkeel.behavior.kinds import cases_of
from mlkeel.contract.wording import number
from mlkeel.inference.importance import importance_of
from mlkeel.report.bars import bars, beside, fold
from mlkeel.report.charts import APART, Chart, Key, course, percent
from mlkeel.report.figures import figures_of
from mlkeel.report.history import Run, Watched
from mlkeel.report.html_parts import counted, day, figure_of, key_of, mark, note, said_as, table_of
from mlkeel.report.review import Judged, Review, Shares, Table
from mlkeel.tasks.metrics import figures, headings

OPEN, DRAWN = 12, 60  # columns that are drawn for all to see, and at all
BROKEN, WEIGHED, LATEST = 30, 15, 10  # rules that are listed; features that are drawn; runs for all to see


def data(review: Review) -> Node:
    """The contract on the table in use, its columns, and how their values are spread."""
    table = review.table
    return h.section("#data")[
        h.h2["The data as it is now"],
        [_contract(table), _columns(table, review.latest)] if isinstance(table, Table) else note(table),
        _spreads(review.shares, review.latest) if review.shares else None,
    ]


def _contract(table: Table) -> Node:
    broken = [finding for finding in table.findings if not finding.passed]
    rules, held = f"{len(table.findings):,} rules of the contract", len(table.findings) - len(broken)
    return [
        h.p[
            h.code[said_as(table.path)],
            f" has {table.rows:,} rows. Of {rules}, ",
            h.b[
                f"{held:,} hold and {len(broken):,} {'does' if len(broken) == 1 else 'do'} not:"
                if broken
                else "all hold."
            ],
        ],
        h.ul(".broken")[
            (
                h.li[mark("broken" if one.critical else "warning", bad=one.critical), " ", said_as(one.sentence)]
                for one in broken[:BROKEN]
            )
        ],
        note(f"And {len(broken) - BROKEN:,} more.") if len(broken) > BROKEN else None,
    ]


def _columns(table: Table, run: Run | None) -> Node:
    headings, watched = ["column", "holds", "different values", "missing"], run.columns if run else {}
    rows = [
        [name, table.kinds[name], table.different[name], percent(table.missing[name])] for name in table.missing
    ] + [[name, "answers", "", ""] for name in watched if name not in table.missing]
    if watched:
        headings += ["missing in the window", "moved by", "allowed"]
        for row in rows:
            seen = watched.get(str(row[0]))
            far = _moved(seen, "") if seen else ""
            row.extend([percent(seen.missing), far, f"{seen.threshold:.3f}"] if seen else ["", "", ""])
    return table_of("Columns", headings, rows, texts=2)


def _spreads(shares: dict[str, Shares], run: Run | None) -> Node:
    watched = run.columns if run else {}
    now = f"the latest window, {run.window.rows:,} rows" if run and watched else "the table in use"
    ordered = sorted(shares, key=lambda name: -watched[name].moved if name in watched else 0)
    charts = [_spread(name, shares[name], run) for name in ordered[:DRAWN]]
    more, left = charts[OPEN:], len(shares) - len(charts)
    return [
        h.h3["How values are spread"],
        h.p(".keys")[key_of(Key("pale", "the rows that it learnt from")), key_of(Key("accent", now))],
        note("Numbers are cut where each wide bar holds about a tenth of the rows that it learnt from."),
        h.div(".grid")[charts[:OPEN]],
        h.details[h.summary[counted(len(more), "more column")], h.div(".grid")[more]] if more else None,
        note(f"{counted(left, 'column')} more, which moved less, are not drawn.") if left else None,
    ]


def _spread(name: str, shares: Shares, run: Run | None) -> Node:
    chart = Chart(
        name,
        f"{name}: shares of rows in {len(shares.labels)} groups, of the rows that it learnt from and of those now.",
        beside(name, shares.labels, shares.before, shares.now, shares.edges),
        ("values", "learnt from", "now"),
        [(label, percent(old), percent(new)) for label, old, new in fold(shares.labels, shares.before, shares.now)],
    )
    seen = run.columns.get(name) if run else None
    moved: Node = None
    if seen:
        moved = [_moved(seen, "moved by "), f", {seen.threshold:.3f} allowed"]
    return figure_of(chart, moved, level=h.h4)


def _moved(seen: Watched, words: str) -> Node:
    said = f"{words}{seen.divergence:.3f}"
    return mark(said, bad=True) if seen.moved > 1 else said


def model(review: Review) -> Node:
    """The scores of the model in use, its figures, what it hangs on, and how it behaves."""
    judged = review.judged
    if isinstance(judged, str):
        return h.section("#model")[h.h2["The model on the test part"], note(f"It could not be judged. {judged}")]
    evaluation, margin = judged.evaluation, review.settings.gate.margin
    enough = evaluation.saved >= margin
    rows: list[tuple[object, ...]] = [
        ("all", *figures(review.shown, evaluation.model), "passes" if enough else mark("falls short", bad=True)),
        (f"baseline: answers {evaluation.task.baseline_words}", *figures(review.shown, evaluation.baseline), ""),
    ]
    for name, scores in evaluation.slices.items():
        rows.append((name, *figures(review.shown, scores), mark("weak", bad=True) if name in judged.weak else "passes"))
    loss = f"of the baseline's {evaluation.primary.said}"
    return h.section("#model")[
        h.h2["The model on the test part"],
        h.p[f"It saves {evaluation.saved:.1%} {loss}; the gate asks for {margin:.1%}."],
        table_of("Scores", ("rows of the test part", *headings(review.shown), "gate"), rows),
        [note(said) for said in judged.notes],
        h.div(".grid")[[figure_of(chart) for chart in judged.charts], _importance(judged.importances, review)],
        _behaviour(judged, review),
    ]


def _importance(found: list[tuple[str, float, float]], review: Review) -> Node:
    if not found:
        return None
    importance = importance_of(review.contract)
    loss = figures_of(review.contract, review.settings.data.target).LOSS
    some = f" Drawn are the first {WEIGHED} of {len(found)}." if len(found) > WEIGHED else ""
    chart = Chart(
        importance.TITLE,
        f"Bar chart: the loss rises most, by {number(round(found[0][1], 4))}, without {found[0][0]}.",
        bars(found[:WEIGHED], f"rise of the {loss}"),
        ("without", "rise of the loss", "spread"),
        [(name, number(round(risen, 4)), number(round(spread, 4))) for name, risen, spread in found],
        note=f"{importance.ABOUT}{some}",
    )
    return figure_of(chart)


def _behaviour(judged: Judged, review: Review) -> Node:
    cases = cases_of(review.contract, review.settings.data.target)
    if not judged.asked:
        return [
            h.h3["Behaviour"],
            note("tests/model/behavior.yaml holds no cases. What must the model do? Write it there."),
        ]
    failed = [asked for asked in judged.asked if asked.shortcoming]
    rows = [
        (
            mark("fails", bad=True) if one.shortcoming else "passes",
            one.name,
            one.kind.replace("_", " "),
        )
        + ((one.shortcoming or "",) if failed else ())
        for one in sorted(judged.asked, key=lambda one: not one.shortcoming)
    ]
    table = table_of("Behaviour", ("", "case", "kind", "instead")[: len(rows[0])], rows, texts=4)
    kinds = [h.li[h.b[kind.replace("_", " ")], ": ", told.replace("`", '"')] for kind, told in cases.KINDS.items()]
    said = f"{len(rows) - len(failed)} pass and {len(failed)} {'fails' if len(failed) == 1 else 'fail'}."
    return [
        h.h3["Behaviour"],
        h.p[
            f"Of {len(rows)} cases in ", h.code["tests/model/behavior.yaml"], ", ", h.b[said if failed else "all pass."]
        ],
        table if failed else h.details[h.summary["The cases"], table],
        h.ul(".note")[kinds],
    ]


def history(review: Review) -> Node:
    """The versions and their scores, and the runs of the monitor and what they found."""
    return h.section("#history")[
        h.h2["History"],
        h.h3["Versions"],
        _versions(review),
        h.h3["Runs of the monitor"],
        [note(said) for said in review.notes],
        _runs(review.runs) if review.runs else note("None is known yet."),
        _quality(review.latest, review),
    ]


def _versions(review: Review) -> Node:
    known, saved = review.versions, [one.saved for one in review.versions]
    rows = [
        (
            h.code[one.name],
            mark("in use") if one.in_use else mark("falls short", bad=True) if one.shortcomings else "",
            one.rows,
            *figures(review.shown, one.scores)[1:],
            f"{one.saved:.1%}",
        )
        for one in reversed(known)
    ]
    table = table_of("Versions", ("version", "", "learnt from", *headings(review.shown)[1:], "saved"), rows, texts=2)
    if len(known) < 2:
        return table
    in_use, gate = [place for place, one in enumerate(known) if one.in_use], review.settings.gate.margin
    line = Chart(
        "What each version saves of the baseline's loss",
        f"Line of {counted(len(known), 'version')}; the latest saves {saved[-1]:.1%}.",
        course(saved, [one.name[-8:] for one in known], in_use, "share saved", gate),
        keys=(Key("bad", "gate", APART),),
        note="Each was judged on the test part of its day. The ring marks the version in use.",
    )
    return [figure_of(line, level=None), table]


def _quality(run: Run | None, review: Review) -> Node:
    if run is None or run.quality is None:
        return None
    named = {"as promised": run.quality.promised, "in production": run.quality.live} | run.quality.slices
    rows = [(name, *figures(review.shown, scores)) for name, scores in named.items()]
    return [
        h.h3["Answers of the latest window whose truth is known"],
        table_of("Quality in production", ("rows", "number", *headings(review.shown)[1:]), rows),
    ]


def _runs(runs: list[Run]) -> Node:
    rows = [
        (
            h.span(".day")[day(run.time)],
            mark(run.said, bad=True) if run.outcome != "fine" else run.said,
            run.reason or "; ".join(breach.sentence for breach in run.breaches[:3]) or "nothing is broken",
            run.window.rows,
            h.code[run.artifact[-8:]],
        )
        for run in reversed(runs)
    ]
    headings = ("time", "outcome", "what was found", "rows", "version")
    table = table_of("Runs of the monitor", headings, rows, texts=3, folded=LATEST)
    could = [run for run in runs if run.columns]
    if len(could) < 2:
        return table
    worst = [run.worst for run in could]
    line = Chart(
        "The column that moved most in each run",
        f"Line of {len(could)} runs; in the latest, the column that moved most used {worst[-1]:.0%} of its allowance.",
        course(worst, [run.time[5:10] for run in could], [], "divergence, as a multiple of what is allowed", 1.0),
        keys=(Key("bad", "allowed", APART),),
    )
    return [figure_of(line, level=None), table]
