"""make doctor names each tool and credential that is missing, and shows no secret."""

from pathlib import Path

import pytest
import yaml

from ..conftest import Render, command
from ..support.environments import lend

FOLDERS = ["kubernetes", "cloud-run", "app-runner", "jenkins-x"]


@pytest.fixture
def project(render: Render, generated: Path) -> Path:
    project = render()
    lend(generated / ".venv", project)
    (project / "deploy" / "cloud").mkdir()
    return project


def doctor(project: Path, needs: object, *names: str, **variables: str) -> tuple[int, str]:
    (project / "deploy" / "cloud" / "needs.yaml").write_text(yaml.safe_dump(needs), encoding="utf-8")
    completed = command(
        ".venv/bin/python", "deploy/doctor.py", *names, cwd=project, env={"PATH": "/usr/bin:/bin"} | variables
    )
    assert completed.stderr == ""
    return completed.returncode, completed.stdout


def tool(*check: str, **more: object) -> dict[str, object]:
    return {"name": "a tool", "check": list(check), "get": "https://example.org"} | more


SECRET = {"name": "a token", "variable": "TOKEN", "get": "ask Ada"}


def test_what_is_there_is_not_told_before_a_deployment(project: Path) -> None:
    assert doctor(project, {"tools": [tool("true")]}, "cloud") == (0, "")


@pytest.mark.parametrize("check", [("no-such-tool",), ("false",), ("sh", "-c", "exit 3")], ids=str)
def test_what_is_missing_is_named_with_where_to_get_it(project: Path, check: tuple[str, ...]) -> None:
    code, output = doctor(project, {"tools": [tool(*check)]}, "cloud")
    assert (code, output) == (1, "cloud:\n  MISSING  a tool; to get it: https://example.org\n")


def test_what_is_optional_stops_nothing_and_is_told_when_asked_about_all(project: Path) -> None:
    needs = {"tools": [tool("false", optional=True)], "credentials": [SECRET]}
    assert doctor(project, needs, "cloud", TOKEN="x") == (0, "")
    assert "absent   a tool" in doctor(project, needs, TOKEN="x")[1]


def test_no_secret_is_shown(project: Path) -> None:
    needs = {"tools": [tool("sh", "-c", "echo hidden; echo hidden >&2")], "credentials": [SECRET]}
    output = doctor(project, needs, TOKEN="hidden")[1]
    assert "ok       a token" in output
    assert "hidden" not in output
    assert doctor(project, needs, "cloud", TOKEN="")[0] == 1


@pytest.mark.parametrize("needs", [None, {"tools": None}, {"credentials": None, "tools": []}], ids=str)
def test_a_deployment_may_need_nothing(project: Path, needs: object) -> None:
    assert doctor(project, needs, "cloud") == (0, "")


def test_a_thing_without_a_place_to_get_it_is_named_all_the_same(project: Path) -> None:
    code, output = doctor(project, {"tools": [{"name": "a tool", "check": ["false"]}]}, "cloud")
    assert (code, output) == (1, "cloud:\n  MISSING  a tool\n")


@pytest.mark.parametrize(
    "needs",
    [
        *(
            {"tools": [item]}
            for item in ({"name": "a tool"}, {"check": ["true"]}, "a tool", {"name": "x", "check": []})
        ),
        *({"tools": {"name": "a tool"}}, ["a tool"], {"tools": [{"name": "x", "check": "true"}]}),
    ],
    ids=str,
)
def test_what_cannot_be_looked_for_is_refused_in_a_sentence(project: Path, needs: object) -> None:
    code, output = doctor(project, needs, "cloud")
    assert code == 1
    assert output.startswith("deploy/cloud/needs.yaml: ")


def test_a_file_that_is_broken_or_missing_is_named(project: Path) -> None:
    (project / "deploy" / "cloud" / "needs.yaml").write_text("tools: [", encoding="utf-8")
    for name in ("cloud", "none"):
        completed = command(".venv/bin/python", "deploy/doctor.py", name, cwd=project)
        assert (completed.returncode, completed.stderr) == (1, "")
        assert completed.stdout.startswith(f"deploy/{name}/needs.yaml: ")


def test_make_doctor_looks_at_all_deployments(project: Path, environment: dict[str, str]) -> None:
    doctor(project, {"credentials": [SECRET]})
    (project / ".venv" / "ready").touch()
    completed = command(
        "make", "doctor", cwd=project, env=environment | {"PATH": f"/usr/bin:/bin:{environment['PATH']}"}
    )
    assert completed.returncode != 0
    assert "docker:\n" in completed.stdout
    assert "MISSING  a token" in completed.stdout


def test_each_deployment_says_what_it_needs(render: Render) -> None:
    project = render(deploy=FOLDERS)
    for name in ("docker", *FOLDERS):
        needs = yaml.safe_load((project / "deploy" / name / "needs.yaml").read_text(encoding="utf-8"))
        things = [*needs["tools"], *needs.get("credentials", [])]
        assert things
        for thing in things:
            assert thing["name"]
            assert thing["get"]
            assert ("check" in thing) != ("variable" in thing)
