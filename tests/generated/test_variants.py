"""Each task with each framework gives a generated project of the same quality."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from copier import run_copy

from ..conftest import Render, clone, commit, succeed
from ..support.environments import lend
from ..support.variants import FEW, PYTHON, VARIANTS, Variant

HOSTILE = {"LOG_FORMAT": "json", "TERM": "dumb", "FORCE_COLOR": "1", "PORT": "1", "API_KEYS": "x", "LC_ALL": "C"}


def each(often: list[Variant]) -> list[object]:
    """All variants, of which the rest but for those that are tested `often` are slow."""
    return [
        pytest.param(variant, id=str(variant), marks=[] if variant in often else pytest.mark.slow)
        for variant in VARIANTS
    ]


# What only one kind of project has to be asked.
OWN = {
    "test_intervals_cover_about_as_many_targets_as_they_should",
}


@pytest.fixture(scope="session")
def project_of(
    snapshot: Path, lender: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Variant], Path]:
    """The generated project of a variant, made once; not to be changed."""
    projects: dict[Variant, Path] = {}

    def generated(variant: Variant) -> Path:
        if variant not in projects:
            project = projects[variant] = tmp_path_factory.mktemp(str(variant)) / "myproj"
            python = {"python_version": PYTHON} if variant.framework == "pytorch" else {}
            run_copy(str(snapshot), project, data=variant.answers | python, defaults=True, quiet=True, vcs_ref="HEAD")
            succeed("git", "init", "--quiet", cwd=project)
            lend(lender(variant.framework) / ".venv", project)
            succeed("make", "setup", cwd=project)
            commit(project, "feat: begin with the example", "--no-verify")
        return projects[variant]

    return generated


@pytest.mark.parametrize("variant", each(VARIANTS))
def test_a_generated_project_is_green_formatted_typed_and_clean(
    project_of: Callable[[Variant], Path], offline: dict[str, str], variant: Variant
) -> None:
    """Its tests pass in any order, on two workers, and whatever the shell says of logs, colours, ports and keys."""
    project = project_of(variant)
    workers = 2 if variant == VARIANTS[0] else 0  # each would import and train for itself
    options = {"PYTEST_ADDOPTS": f"-n {workers} -p randomly"}
    output = succeed("make", "test", cwd=project, env=offline | HOSTILE | options)
    assert " passed" in output
    assert not any(word in output for word in ("failed", "skipped", "warning", "xfailed")), output
    succeed("make", "check", cwd=project, env=offline)
    succeed("make", "clean", cwd=project, env=offline)
    assert succeed("git", "status", "--porcelain", cwd=project) == ""


@pytest.mark.parametrize("variant", each(FEW))
def test_every_hook_lets_a_generated_project_pass(
    project_of: Callable[[Variant], Path], offline: dict[str, str], variant: Variant
) -> None:
    project = project_of(variant)
    done_by_make_check = {"SKIP": "mypy"}
    succeed(".venv/bin/pre-commit", "run", "--all-files", cwd=project, env=offline | done_by_make_check)


@pytest.fixture(scope="module")
def adopted(
    project_of: Callable[[Variant], Path], offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Variant], Path]:
    """A clone of a variant whose own example was adopted, which trains it too; made once, not to be changed."""
    projects: dict[Variant, Path] = {}

    def adopt(variant: Variant) -> Path:
        if variant not in projects:
            project = projects[variant] = clone(project_of(variant), tmp_path_factory.mktemp("adopted") / "twin")
            words = (f"DATA={variant.table}", f"TARGET={variant.target}")
            succeed("make", "adopt", *words, cwd=project, env=offline)
        return projects[variant]

    return adopt


@pytest.mark.parametrize("variant", each(FEW))
def test_training_beats_the_baseline_by_the_margin(
    adopted: Callable[[Variant], Path], offline: dict[str, str], variant: Variant
) -> None:
    """That of `make adopt`, which is the one of `make train`."""
    project = adopted(variant)
    version = (project / "artifacts" / "current").read_text(encoding="utf-8").strip()
    metrics = json.loads((project / "artifacts" / version / "metrics.json").read_text(encoding="utf-8"))
    min_skill = yaml.safe_load((project / "conf" / "params.yaml").read_text(encoding="utf-8"))["gate"]["min_skill"]
    score = "mae" if variant.task == "tabular-regression" else "log_loss"
    assert 1 - metrics["model"][score] / metrics["baseline"][score] >= min_skill >= 0.25
    answers = "predictions/answers.csv"
    succeed("make", "predict", f"IN={variant.table}", f"OUT={answers}", cwd=project, env=offline)
    header = (project / answers).read_text(encoding="utf-8").splitlines()[0]
    assert f"predicted_{variant.target}" in header


@pytest.mark.parametrize("variant", each(FEW))
def test_the_example_is_what_adopt_makes_of_it(adopted: Callable[[Variant], Path], variant: Variant) -> None:
    assert succeed("git", "status", "--porcelain", cwd=adopted(variant)) == ""


@pytest.mark.parametrize("variant", each(VARIANTS[:1]))
def test_every_fault_is_caught(
    project_of: Callable[[Variant], Path], offline: dict[str, str], variant: Variant
) -> None:
    output = succeed("make", "prove", cwd=project_of(variant), env=offline)
    assert f"All {variant.faults} planted faults were caught." in output
    assert succeed("git", "status", "--porcelain", cwd=project_of(variant)) == ""


def test_the_six_have_the_same_tests_where_the_meaning_is_the_same(render: Render) -> None:
    """A file of tests that several projects have asks the same in each."""
    named: dict[str, list[set[str]]] = {}
    for variant in VARIANTS:
        project = render(str(variant), package="myproj", **variant.answers)
        for path in project.glob("tests/*/test_*.py"):
            names = set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
            named.setdefault(path.relative_to(project).as_posix(), []).append(names)
    different = {
        path: sorted(set.union(*name_sets) - set.intersection(*name_sets) - OWN) for path, name_sets in named.items()
    }
    assert {path: names for path, names in different.items() if names} == {}
    assert all(len(name_sets) == 6 for name_sets in named.values())


def houses() -> str:
    """Prices that follow size and place, as a table that no regression project has seen."""
    lines = ["house;size;rooms;place;sold;price"]
    for number in range(600):
        size = 40 + number * 37 % 160
        place = "abc"[number * 7 % 3]
        price = 1500 * size + 40_000 * "abc".index(place) + number * 7919 % 30_011
        lines.append(f"H-{number};{size},5;{size // 25};{place};{1 + number % 28:02d}.03.2021;{price}")
    return "\n".join(lines)


def notes() -> str:
    """Short notes of two kinds, with other columns beside."""
    of_kind = {
        "late": ["came late", "is not here yet", "still waiting"],
        "broken": ["is in pieces", "does not start", "has a crack"],
    }
    lines = ["note,day,kind"]
    for number in range(300):
        kind = "late" if number % 2 else "broken"
        phrase = of_kind[kind][number * 31 % 3]
        lines.append(f"the {['thing', 'order', 'box'][number % 3]} {phrase} since {number} days,{number % 7},{kind}")
    return "\n".join(lines)


OTHERS = {
    "tabular-classification": (houses, "place"),
    "tabular-regression": (houses, "price"),
    "text-classification": (notes, "kind"),
}


@pytest.mark.parametrize("variant", each(FEW[1:]))
def test_another_table_is_adopted(
    project_of: Callable[[Variant], Path], offline: dict[str, str], tmp_path: Path, variant: Variant
) -> None:
    project = clone(project_of(variant), tmp_path / "twin")
    table, target = OTHERS[variant.task]
    (tmp_path / "other.csv").write_text(table(), encoding="utf-8")
    output = succeed("make", "adopt", f"DATA={tmp_path / 'other.csv'}", f"TARGET={target}", cwd=project, env=offline)
    assert "rejected 0 of 10 held-out samples" in output
    assert "(not:" not in output
    test_output = succeed("make", "test", cwd=project, env=offline)
    assert not any(word in test_output for word in ("failed", "warning", "xfailed")), test_output
    commit(project, "feat: be about another table")
