"""The ML Test Score of a project: 28 tests of data, model, infrastructure and monitoring, and how far it passes them.

Source: Breck et al. 2017, "The ML Test Score: A Rubric for ML Production Readiness and Technical Debt Reduction". A
test that something runs on each change or by the clock counts 1, one that was done by hand and written down 0.5; the
score is that of the lowest of the four sections. Nothing counts but what files of the project show.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from mlkeel.errors import InputError
from mlkeel.project import Project
from mlkeel.report import rubric_requirements as required
from mlkeel.report.rubric_evidence import NOTES, Evidence
from mlkeel.report.rubric_requirements import Requirement, alerts, has_figure, makes, passes

SOURCE = 'Breck et al. 2017, "The ML Test Score"'
MAX_NOTE_AGE = timedelta(days=365)  # what was done by hand must be done again
Status = Literal["automated", "by hand", "absent"]
POINTS: dict[Status, float] = {"automated": 1.0, "by hand": 0.5, "absent": 0.0}
CONTRACT = "tests/data/test_contract.py"
FAULTS = "tests/data/test_faults.py"
DATA = "tests/code/test_data.py"
FEATURES = "tests/code/test_features.py"
MODEL = "tests/code/test_model.py"
FLOW = "tests/code/test_train.py"
TRAINING = "tests/model/test_training.py"
INFERENCE = "tests/model/test_inference.py"
BEHAVIOR = "tests/model/test_behavior.py"


@dataclass(frozen=True)
class RubricTest:
    """A test of the rubric.

    Attributes:
        key: its name in `conf/rubric.yaml`.
        name: what it asks for, in a sentence.
        requirements: what a project must show if it is to count as automated; if there are none, nothing can show it.
        remedy: what would do it.
    """

    key: str
    name: str
    requirements: tuple[Requirement, ...]
    remedy: str


@dataclass(frozen=True)
class RubricResult:
    """How a project passes a test of the rubric.

    Attributes:
        proofs: what shows that; empty if it is absent.
        missing: why it is not automated; empty if it is.
    """

    test: RubricTest
    status: Status
    proofs: tuple[str, ...] = ()
    missing: str = ""


DATA_TESTS = (
    RubricTest(
        "schema",
        "What a feature may hold is written down and checked",
        (
            required.SUITE_COVERS_FEATURES,
            *passes(f"{CONTRACT}::test_the_table_meets", f"{FAULTS}::test_a_fault_in_a_feature_is_noticed"),
        ),
        "Write an expectation for each feature, and let a pipeline run the tests of the contract.",
    ),
    RubricTest(
        "useful_features",
        "Each feature is worth having",
        (makes("report"),),
        "Let a pipeline write the report, which says what the loss is without each feature.",
    ),
    RubricTest(
        "feature_cost",
        "No feature costs more than it is worth",
        (),
        "Say for each feature where it comes from, how long that takes, and what the model is without it.",
    ),
    RubricTest(
        "permitted_features",
        "Features keep to the rules of what may be learnt from",
        (
            required.FEATURES_HAVE_PERMITTED_ROLES,
            *passes(
                f"{CONTRACT}::test_a_feature_does_not_give_the_target_away",
                f"{BEHAVIOR}::test_columns_that_are_no_features_change_nothing",
            ),
        ),
        "Take columns out of the features that may not be used, and let a pipeline run the tests of that.",
    ),
    RubricTest(
        "privacy",
        "Personal data are protected all the way",
        (),
        "Say who may read data/, records/ and artifacts/, what of them is about people, and when it is deleted.",
    ),
    RubricTest(
        "new_features",
        "A new feature is quick to add",
        (required.FEATURES_CAN_BE_DERIVED, *passes(f"{FEATURES}::test_a_new_feature_takes_one_function")),
        "Let a pipeline run a test that adds one.",
    ),
    RubricTest(
        "feature_code",
        "All code that makes features is tested",
        (
            required.DERIVED_FEATURES_ARE_TESTED,
            *passes(
                f"{DATA}::test_a_feature_has_the_type_that_its_contract_names",
                f"{DATA}::test_rows_that_come_later_change_no_feature_of_those_before",
                f"{FEATURES}::test_a_request_is_encoded_as_a_row_of_a_table",
                f"{FEATURES}::test_nothing_is_learnt_from_other_rows",
            ),
        ),
        "Draft rules for derived columns or write tests of them, and let a pipeline run these.",
    ),
)
MODEL_TESTS = (
    RubricTest(
        "reviewed_spec",
        "What makes the model is reviewed, and in git",
        (required.VERSION_IS_COMMITTED, required.REVIEWS_ARE_ASKED_FOR, makes("test")),
        "Commit, train, and name reviewers of conf/ and src/ in CODEOWNERS; let the main branch require their review.",
    ),
    RubricTest(
        "offline_online",
        "Better scores mean better results in use",
        (),
        "Hold scores of several versions against a figure of what their answers are for, as in an A/B test.",
    ),
    RubricTest(
        "tuning",
        "Hyperparameters were searched for",
        (has_figure("tuning", "search of hyperparameters"),),
        "Try others by validation rows, and keep the best.",
    ),
    RubricTest(
        "staleness_effect",
        "What it costs to keep an older model is known",
        (required.OLDER_VERSION_WAS_COMPARED, makes("train")),
        "Train again when rows of later days have come: the version before is then compared on rows new to both.",
    ),
    RubricTest(
        "simpler_model",
        "A simpler model is not better",
        (required.RIVAL_IS_NOT_BETTER, makes("train")),
        "Fit a linear model to the same rows, and compare.",
    ),
    RubricTest(
        "slices",
        "It is good enough on each slice that matters",
        (required.SLICES_ARE_JUDGED, *passes(f"{TRAINING}::test_it_holds_on_slices")),
        "Name columns under gate.slices in conf/params.yaml with a limit, and train.",
    ),
    RubricTest(
        "inclusion",
        "It treats groups of people alike",
        (required.GROUPS_ARE_COMPARED, makes("train")),
        "Give columns that tell groups of people the role protected; if no row is about people, write that down.",
    ),
)
INFRASTRUCTURE_TESTS = (
    RubricTest(
        "reproducible",
        "Training repeats itself",
        passes(f"{TRAINING}::test_the_same_seed_gives_the_same_model"),
        "Let a pipeline train twice, and compare.",
    ),
    RubricTest(
        "model_code",
        "The code of the model has tests",
        passes(
            f"{MODEL}::test_it_answers_each_row_with_as_many_numbers_as_there_are_answers",
            f"{TRAINING}::test_the_loss_falls_after_one_step",
            f"{TRAINING}::test_it_overfits_one_small_batch",
        ),
        "Let a pipeline run tests of the model's code.",
    ),
    RubricTest(
        "whole_pipeline",
        "The whole way from the table to an answer is tested",
        (
            *passes(
                f"{FLOW}::test_what_is_published_is_what_was_trained",
                f"{TRAINING}::test_training_completes_and_leaves_every_artifact",
                f"{INFERENCE}::test_a_table_is_answered_as_in_training",
            ),
            makes("train"),
        ),
        "Let a pipeline train, and answer rows with the version that it made.",
    ),
    RubricTest(
        "gate",
        "A version is judged before it serves",
        (
            required.GATE_IS_PASSED,
            required.BEHAVIOR_IS_DESCRIBED,
            *passes(
                f"{TRAINING}::test_it_beats_the_baseline_by_the_margin", f"{TRAINING}::test_what_was_trained_is_in_use"
            ),
            makes("train"),
        ),
        "Set limits under gate in conf/params.yaml and cases of behaviour, and serve no version that fails them.",
    ),
    RubricTest(
        "trace",
        "One row can be followed step by step",
        (),
        "Print what each step of inference makes of one row.",
    ),
    RubricTest(
        "canary",
        "A new version meets a few requests before it meets all",
        (),
        "Send a share of requests to it, compare, and then the rest.",
    ),
    RubricTest(
        "rollback",
        "The version before can be had back at once",
        passes(f"{TRAINING}::test_the_version_before_can_be_made_current_again"),
        "Let a pipeline run a test that goes back.",
    ),
)
MONITORING_TESTS = (
    RubricTest(
        "dependencies",
        "Somebody hears of changes in what it depends on",
        (required.DEPENDENCIES_ARE_WATCHED, makes("test")),
        "Let a bot propose new releases of packages, and have those who send the data announce changes.",
    ),
    RubricTest(
        "input_rules",
        "Rules for inputs hold in training and in use",
        (
            required.SUITE_COVERS_FEATURES,
            *passes(f"{CONTRACT}::test_the_table_meets"),
            *alerts("MonitorAlarm", "monitor_alarm"),
        ),
        "Let the monitor run by the clock, with an alert on its alarms.",
    ),
    RubricTest(
        "skew",
        "Training and serving compute the same features",
        (
            *passes(
                f"{FEATURES}::test_a_request_is_encoded_as_a_row_of_a_table",
                f"{INFERENCE}::test_a_row_is_answered_alone_as_in_a_batch",
            ),
            *alerts("MonitorAlarm", "monitor_alarm"),
        ),
        "Let the monitor run by the clock: it predicts recorded rows again.",
    ),
    RubricTest(
        "age",
        "The model is not too old",
        (required.VERSION_IS_YOUNG, *alerts("ModelStale", 'check="staleness"')),
        "Let the monitor run by the clock, with an alert on the age of the model; train when it comes.",
    ),
    RubricTest(
        "stability",
        "No number overflows or is missing",
        passes(
            f"{MODEL}::test_it_answers_each_row_with_as_many_numbers_as_there_are_answers",
            f"{TRAINING}::test_there_is_a_validation_loss_for_each_step",
            f"{INFERENCE}::test_missing_values_are_answered",
            f"{INFERENCE}::test_onnx_answers_as_the_model_does",
        ),
        "Let a pipeline run tests of finite losses and answers.",
    ),
    RubricTest(
        "speed",
        "Answers do not get slower",
        alerts("AnswersSlow", "api_request_seconds_bucket"),
        "Let Prometheus hold the time of answers against a limit.",
    ),
    RubricTest(
        "served_quality",
        "Answers stay as good in use as they were in training",
        (*alerts("MonitorAlarm", "monitor_alarm"), required.TRUTH_COMES_BACK),
        "Send the truth of answers back once it is known, and run the monitor on them.",
    ),
)
SECTIONS = {
    "data": DATA_TESTS,
    "model": MODEL_TESTS,
    "infrastructure": INFRASTRUCTURE_TESTS,
    "monitoring": MONITORING_TESTS,
}


@dataclass(frozen=True)
class Rubric:
    """The results of all tests by section, and the name of the version that is current, if there is one."""

    sections: dict[str, list[RubricResult]]
    version: str | None

    @property
    def scores(self) -> dict[str, float]:
        """The points of each section."""
        return {name: sum(POINTS[each.status] for each in results) for name, results in self.sections.items()}

    @property
    def score(self) -> float:
        """The points of the lowest section."""
        return min(self.scores.values())

    @property
    def next_steps(self) -> list[RubricResult]:
        """What is absent in the lowest sections; only there does a further point raise the score."""
        lowest = [results for name, results in self.sections.items() if self.scores[name] == self.score]
        return [result for results in lowest for result in results if result.status == "absent"]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        sections = {
            name: {"score": self.scores[name], "tests": [_to_dict(result) for result in results]}
            for name, results in self.sections.items()
        }
        return {"source": SOURCE, "version": self.version, "score": self.score, "sections": sections}


def _to_dict(result: RubricResult) -> dict[str, Any]:
    return {
        "test": result.test.key,
        "name": result.test.name,
        "status": result.status,
        "proofs": list(result.proofs),
        "missing": result.missing,
        "remedy": "" if result.status == "automated" else result.test.remedy,
    }


def score(project: Project, root: Path, today: date | None = None) -> Rubric:
    """Hold the `project` in `root` against the rubric.

    Raises:
        InputError: settings or contract cannot be read, or `conf/rubric.yaml` names no test or lacks something.
    """
    evidence = Evidence(project, root)
    keys = [test.key for tests in SECTIONS.values() for test in tests]
    if unknown := [name for name in evidence.notes if name not in keys]:
        raise InputError(f"{root / NOTES}: {unknown[0]} is no test of the rubric. They are: {', '.join(keys)}.")
    day = today or date.today()
    results = {name: [_result(test, evidence) for test in tests] for name, tests in SECTIONS.items()}
    with_notes = {name: [_with_note(each, evidence, day) for each in results[name]] for name in results}
    return Rubric(with_notes, evidence.version.name if evidence.version else None)


def _result(test: RubricTest, evidence: Evidence) -> RubricResult:
    if not test.requirements:
        return RubricResult(test, "absent", missing="nothing here can show it")
    problems = {each.proof: problem for each in test.requirements if (problem := each.problem(evidence))}
    if not problems:
        return RubricResult(test, "automated", tuple(each.proof for each in test.requirements))
    return RubricResult(test, "absent", missing="; ".join(f"{proof}: {why}" for proof, why in problems.items()))


def _with_note(result: RubricResult, evidence: Evidence, today: date) -> RubricResult:
    """Return the result, or that it was done by hand if `conf/rubric.yaml` says so and it is not automated."""
    note = evidence.notes.get(result.test.key)
    if result.status == "automated" or note is None:
        return result
    if not timedelta() <= today - note.date <= MAX_NOTE_AGE:
        why = "later than today" if note.date > today else f"more than {MAX_NOTE_AGE.days} days ago"
        return replace(result, missing=f"{NOTES}: it was done on {note.date}, {why}; {result.missing}")
    if note.at is not None and not (evidence.root / note.at).is_file():
        return replace(result, missing=f"{NOTES}: there is no {note.at}; {result.missing}")
    place = f", {note.at}" if note.at else ""
    proof = f"{NOTES}{place}: {note.result} ({note.by}, {note.date})"
    return replace(result, status="by hand", proofs=(proof,))
