"""Any two answers go together: a covering set of projects is rendered, formatted, and its tests are found."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from allpairspy import AllPairs

from ..conftest import ROOT, Render, left_over, succeed

QUESTIONS = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))


def values(name: str) -> list[str | list[str]]:
    choices = QUESTIONS[name]["choices"]
    found = list(choices.values() if isinstance(choices, dict) else choices)
    return [[], found] if QUESTIONS[name].get("multiselect") else found


TYPED = {
    "project_name": ["My model", 'Größe "und" 日本'],
    "package": ["a", "customer_churn"],
    "author_email": ["", "ada@example.org"],
}
ASKED = {
    name: values(name) for name, question in QUESTIONS.items() if "choices" in question and not name.startswith("_")
} | TYPED
ROWS = [dict(zip(ASKED, row, strict=True)) for row in AllPairs(list(ASKED.values()))]


@pytest.mark.parametrize("answers", ROWS, ids=map(str, range(len(ROWS))))
def test_a_project_of_these_answers_is_whole(
    render: Render,
    lender: Callable[[str], Path],
    offline: dict[str, str],
    answers: dict[str, str | list[str]],
) -> None:
    project = render(**answers)
    programs = lender(str(answers["framework"])) / ".venv" / "bin"
    assert left_over(project) == []
    succeed(programs / "ruff", "format", "--check", cwd=project)
    succeed(programs / "ruff", "check", cwd=project)
    found = succeed(
        *(programs / "python", "-m", "pytest", "--collect-only", "-p", "no:cacheprovider"),
        cwd=project,
        env=offline,
    )
    assert int(re.findall(r"(\d+) tests? collected", found)[-1]) > 100
