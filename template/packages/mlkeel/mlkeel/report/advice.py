"""Say in one sentence how it stands, and in a few what to do next, from what was found."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlkeel.contract.wording import shortened
from mlkeel.report.review import Judged, Review, Table, days_since

LOOK_AGAIN = 7  # days after which a run of the monitor says little of today
NAMED = 5  # columns or slices in a sentence
REMEDIES = {
    "contract": "Rows of late break the contract: correct their source or, if they are right, change expectations/.",
    "drift": "Look at where it comes from. If the world has changed, train on recent rows; if not, mend the source.",
    "missing": "More of it is missing than before: find out what no longer fills it.",
    "refused": "Too many rows are refused: ask those who send them what they changed.",
    "quality": "Its answers are worse than promised: add recent rows with their truth to the table, and train.",
    "skew": "What is served is not what was evaluated: hold serving against the artifact, and start it anew.",
    "staleness": "The model is old: add recent rows to the table, and train.",
    "latency": "It answers too slowly: give it more room, or look at what sends so much.",
}
MERE = " It is a warning, which never becomes an alarm."
COMMANDS = {"drift": "make train", "quality": "make train", "staleness": "make train", "contract": "make test-data"}


@dataclass(frozen=True)
class Advice:
    """What to do and why; `grave` if the model should not be trusted before it is done."""

    why: str
    what: str
    command: str = ""
    grave: bool = False


def verdict(review: Review, advices: list[Advice]) -> str:
    """How it stands, in one sentence."""
    grave = sum(advice.grave for advice in advices)
    if grave:
        things = "one thing" if grave == 1 else f"{grave} things"
        return f"It needs attention: {things} below should be put right before its answers are relied on."
    if isinstance(review.judged, Judged) and review.judged.evaluation.could_be_chance:
        return "It may know nothing: on the test part it is no better than chance allows."
    saved = (
        f", and saves {review.judged.evaluation.saved:.0%} of the baseline's loss"
        if isinstance(review.judged, Judged)
        else ""
    )
    if review.watched is None:
        return f"It passes its gate{saved}; how it does in production is not known yet."
    if pending := review.watched.pending:
        things = "one thing that is" if pending == 1 else f"{pending} things that are"
        return f"It may need attention: the latest run of the monitor found {things} no alarm yet."
    return f"It is well: it passes its gate{saved}, and the latest run of the monitor raised no alarm."


def advise(review: Review) -> list[Advice]:
    """What to do next, the gravest first."""
    found = [*_of_the_table(review), *_of_the_model(review), *_of_the_monitor(review), *_of_the_versions(review)]
    return sorted(found, key=lambda advice: not advice.grave) or [
        Advice("Nothing was found that needs doing.", "Go on watching it.", "make monitor")
    ]


def _of_the_table(review: Review) -> Iterator[Advice]:
    if isinstance(review.table, str):
        yield Advice("The table in use cannot be looked at.", review.table, grave=True)
        return
    broken = [finding for finding in review.table.findings if not finding.passed]
    if critical := [finding for finding in broken if finding.critical]:
        rules = "one rule" if len(critical) == 1 else f"{len(critical)} rules"
        yield Advice(
            f"The table breaks {rules} of the contract.",
            f"Correct {review.table.path} or, if it is right, the rules in expectations/.",
            "make test-data",
            grave=True,
        )
    if empty := [name for name, share in review.table.missing.items() if share == 1]:
        yield Advice(f"The table has no value of {_few(empty)}.", "Fill it, or take the column out.", "")


def _of_the_model(review: Review) -> Iterator[Advice]:
    judged = review.judged
    if isinstance(judged, str):
        if isinstance(review.table, Table) and all(one.passed or not one.critical for one in review.table.findings):
            yield Advice("The model could not be judged on the table.", judged, grave=True)
        return
    gate, evaluation = review.settings.gate, judged.evaluation
    if judged.weak:
        yield Advice(
            f"The model is weak where {_few(judged.weak)}.",
            "Collect more such rows and train; or look at whether their truth is right.",
            "make train",
            grave=True,
        )
    if evaluation.saved < gate.margin:
        yield Advice(
            "The model does not pass its gate any more.",
            shortened(evaluation.shortcomings(gate)[:1], ""),
            "make train",
            grave=True,
        )
    if failed := [asked for asked in judged.asked if asked.shortcoming]:
        yield Advice(
            f"It does not behave as tests/model/behavior.yaml asks in {len(failed)} of {len(judged.asked)} cases.",
            "See them under Behaviour; correct the cases, or add rows that teach it.",
            "make test-model",
            grave=True,
        )
    yield from (Advice("On the test part:", remark) for remark in judged.remarks)
    if judged.changed:
        yield Advice(
            f"{review.settings.data.path} is not as it was when this model was trained.",
            "Train again: a row that was changed since may have been learnt from, so the scores can be too good.",
            "make train",
        )
    if review.age > review.settings.monitor.stale_days:
        yield Advice(
            f"The model is {review.age:,.0f} days old; {review.settings.monitor.stale_days:g} are allowed.",
            REMEDIES["staleness"],
            "make train",
        )


def _of_the_monitor(review: Review) -> Iterator[Advice]:
    latest, run = review.latest, review.watched
    if latest is None:
        yield Advice(
            "The monitor has not run yet, so nobody knows whether the world is still as it was in training.",
            "Serve it, which records its answers, and run the monitor each day; or give it recent rows in a file.",
            "make monitor",
        )
        return
    if not latest.artifact and days_since(latest.time, review.when) < review.age:
        yield Advice("The monitor could not tell when it last ran.", latest.reason or "", "make monitor")
    elif run is None:
        about = latest.artifact or "an earlier version"
        yield Advice(f"The latest run of the monitor was about {about}.", "Run it for this one.", "make monitor")
    if run is None:
        return
    for check in dict.fromkeys(breach.check for breach in run.breaches):
        breaches = [breach for breach in run.breaches if breach.check == check]
        if check == "staleness" and review.age > review.settings.monitor.stale_days:
            continue
        names = [breach.column for breach in breaches if breach.column]
        alarm, warning = any(one.alarm for one in breaches), not any(one.may_alarm for one in breaches)
        why = (
            f"{_few(names)} moved."
            if check == "drift" and names
            else "; ".join(one.sentence for one in breaches[:3]).rstrip(".") + "."
        )
        once = "" if alarm else MERE if warning else " It is no alarm yet; see whether the next run says the same."
        yield Advice(why, REMEDIES.get(check, "Look at it.") + once, COMMANDS.get(check, ""), grave=alarm)
    if (days := days_since(run.time, review.when)) > LOOK_AGAIN:
        yield Advice(f"The monitor last ran {days:,.0f} days ago.", "Run it each day.", "make monitor")


def _of_the_versions(review: Review) -> Iterator[Advice]:
    later = [one for one in review.versions if one.name > review.version]
    if later and later[-1].shortcomings:
        card = f"artifacts/{later[-1].name}/MODEL_CARD.md"
        yield Advice(f"{later[-1].name} is newer and not in use.", shortened(later[-1].shortcomings, card), "make runs")


def _few(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
