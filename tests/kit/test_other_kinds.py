"""What depends on the kind of project passes for each of the six, not only for the one of this run."""

import re
from pathlib import Path

import pytest

from .kinds import KIND, MODELS
from .reruns import HERE, rerun


def _names_the_kind(path: Path) -> bool:
    """Whether a file of tests asks for the kind, or for a project of that kind."""
    return (
        re.search(r"\bKIND\b|\b(trained_project|fruit_predictor|serve|client)\b", path.read_text("utf-8")) is not None
    )


ONCE_FOR_ALL = {  # of any kind
    *(
        "fair_comparison",
        "http_limits",
        "layers",
        "model_manager",
        "other_kinds",
        "split_flow",
        "tracking",
        "transaction",
    ),
    *("derived_rules", "python_features"),  # of columns before anything is learnt from them
}
NOT_OF_A_KIND = [
    path
    for path in sorted(HERE.glob("test_*.py"))
    if path.stem.removeprefix("test_") in ONCE_FOR_ALL or not _names_the_kind(path)
]
OF_A_FRAMEWORK = {"adopt", "cli", "gate", "predict", "prove", "torch_model", "train", "version", "versions"}
OF_A_NETWORK = {"torch_model", "train", "version"}
OTHERS = [f"{task}/{framework}" for task, framework in MODELS if (task, framework) != (KIND.task_name, KIND.framework)]

# What the default kind or `make` shows already; the nightly run asks it of the other kinds as well.
SHOWN_BY_MAKE = {"adopt", "cli"}  # test_variants.py trains and adopts with each framework, and with texts
SHOWN_BY_CLASSES = {  # of tables: texts are answered with classes, too, which folds, metrics and gaps are about
    *("adopt", "cli", "decision", "feedback"),
    *("cross_validation", "fairness", "primary_metric", "rubric"),
}
SHOWN_BY_ANY_KIND = (
    "test_prove.py::test_what_cannot_be_planted_is_told_from_what_is_caught",
    "test_prove.py::test_tests_that_fail_without_a_fault_prove_nothing",
)


def files(names: set[str]) -> list[Path]:
    return [path for path in HERE.glob("test_*.py") if path.stem.removeprefix("test_") in names]


def ignored(kind: str) -> list[Path]:
    """What another kind has no say in.

    The framework matters until there is a graph, and not after; one task shows what it means for commands, and of the
    other two only the networks themselves differ.
    """
    if kind.endswith("/scikit-learn"):
        return NOT_OF_A_KIND
    relevant = files(OF_A_FRAMEWORK if kind.startswith("tabular-regression") else OF_A_NETWORK)
    return [path for path in HERE.glob("test_*.py") if path not in relevant]


def shown_elsewhere(kind: str) -> list[Path]:
    """What this kind could have a say in, and another test shows already."""
    if kind.endswith("/pytorch"):
        return files(SHOWN_BY_MAKE)
    return files(SHOWN_BY_CLASSES) if kind.startswith("text") else []


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["own", "all"])
def test_the_same_holds_for_another_kind(kind: str, again: bool, tmp_path: Path) -> None:
    arguments = [str(HERE), *(f"--ignore={path}" for path in ignored(kind))]
    if not again:
        arguments += [f"--ignore={path}" for path in shown_elsewhere(kind)]
        arguments += [f"--deselect=tests/kit/{test}" for test in SHOWN_BY_ANY_KIND]
    code = rerun(tmp_path / "output", *arguments, KIND=kind)
    output = (tmp_path / "output").read_text(encoding="utf-8")
    assert code == 0, output[-3000:]
    assert int(re.findall(r"(\d+) passed", output)[-1]) >= 20
