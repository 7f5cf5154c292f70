"""Any two answers go together: a covering set of projects is rendered, formatted, and its tests are found."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from allpairspy import AllPairs

from ..conftest import ROOT, Render, succeed, unrendered_files
from ..support.environments import lend

QUESTIONS = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))


def values(name: str) -> list[str | list[str]]:
    choices = QUESTIONS[name]["choices"]
    options = list(choices.values() if isinstance(choices, dict) else choices)
    return [[], options] if QUESTIONS[name].get("multiselect") else options


TYPED = {
    "project_name": ["My model", 'Größe "und" 日本'],
    "package": ["a", "customer_churn"],
    "author_email": ["", "ada@example.org"],
}
ANSWERS = {
    name: values(name) for name, question in QUESTIONS.items() if "choices" in question and not name.startswith("_")
} | TYPED
ROWS = [dict(zip(ANSWERS, row, strict=True)) for row in AllPairs(list(ANSWERS.values()))]


@pytest.mark.parametrize("answers", ROWS, ids=map(str, range(len(ROWS))))
def test_a_project_of_these_answers_is_whole(
    render: Render,
    lender: Callable[[str], Path],
    offline: dict[str, str],
    answers: dict[str, str | list[str]],
) -> None:
    project = render(**answers)
    assert unrendered_files(project) == []
    programs = lend(lender(str(answers["framework"])) / ".venv", project) / ".venv" / "bin"
    succeed(programs / "ruff", "format", "--check", cwd=project)
    succeed(programs / "ruff", "check", cwd=project)
    output = succeed(
        *(programs / "python", "-m", "pytest", "--collect-only", "-p", "no:cacheprovider"),
        cwd=project,
        env=offline,
    )
    assert int(re.findall(r"(\d+) tests? collected", output)[-1]) > 100
