"""make tag, image, push, scan and sign: what they are given is never run, and each ends with the first failure."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import Render, command, commit
from ..support.pipeline import SECRETS, Runner, calls, gitlab, stand_ins, workflow

Make = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def make(twin: Path, tmp_path: Path, environment: dict[str, str]) -> Make:
    """A person's make, in a project with a model: its exit code, what it said, and what stand-ins were asked."""
    (twin / "artifacts" / "v1").mkdir(parents=True)
    (twin / "artifacts" / "current").write_text("v1\n", encoding="utf-8")
    stand_in_environment = environment | stand_ins(tmp_path, "docker", "trivy", "cosign")
    record = tmp_path / "record"

    def run(*words: str, **variables: str) -> tuple[int, str, list[str]]:
        record.write_text("", encoding="utf-8")
        person = stand_in_environment | {"PATH": f"{tmp_path / 'bin'}:{environment['PATH']}"} | variables
        completed = command("make", *words, cwd=twin, env=person)
        recorded = [line for line in record.read_text("utf-8").splitlines() if "image inspect" not in line]
        return completed.returncode, completed.stdout + completed.stderr, recorded

    return run


def name(call: str) -> str:
    """The last word of what was asked, without its commit."""
    return re.sub(r"-[0-9a-f]{12}-", "-COMMIT-", call.rsplit(maxsplit=1)[-1])


def test_nothing_is_pushed_from_an_uncommitted_state(make: Make, twin: Path) -> None:
    code, output, recorded = make("push", "REGISTRY=ghcr.io/ada")
    assert code == 0, output
    pushed = [name(line) for line in recorded if line.startswith("docker push --quiet ")]
    assert pushed == [f"ghcr.io/ada/{image}:0.1.0-COMMIT-v1" for image in ("myproj", "myproj-jobs")]
    assert "REGISTRY=ghcr.io/ada" in make("push")[1]
    (twin / "further.py").write_text("", encoding="utf-8")
    for words in (("push", "REGISTRY=ghcr.io/ada"), ("tag",)):
        code, output, recorded = make(*words)
        assert (code != 0, recorded) == (True, [])
        assert "no commit holds" in output


INJECTED = ["$(shell touch ran)", "`touch ran`", '"; touch ran; "', "$$(touch ran)"]


def test_what_make_is_given_is_never_run(make: Make, twin: Path) -> None:
    for text in INJECTED:
        for target in ("push", "sign"):
            assert make(target, f"REGISTRY={text}", f"TAG={text}", COSIGN_KEY="key")[0] != 0
            assert make(target, REGISTRY=text, COSIGN_KEY="key")[0] != 0
        make("tag", *(f"{variable}={text}" for variable in ("TAG", "VERSION", "MODEL", "COMMIT", "REGION", "PROJECT")))
        make("image", f"BUILD={text}")
        make("predict", f"IN={text}", f"OUT={text}")
        assert not (twin / "ran").exists(), text


def test_a_model_that_no_tag_can_hold_is_refused(make: Make, twin: Path) -> None:
    for text in ("`touch ran`", 'm1"; touch ran; "', "m 1", "$(touch ran)"):
        (twin / "artifacts" / "current").write_text(text, encoding="utf-8")
        for words in (("tag",), ("image",), ("push", "REGISTRY=ghcr.io/ada"), ("scan",)):
            code, output, recorded = make(*words)
            assert (code != 0, recorded) == (True, []), text
            assert re.search(r"^artifacts/current: .* has other signs", output, flags=re.MULTILINE), output
        assert not (twin / "ran").exists(), text


def test_a_version_that_no_tag_can_hold_is_refused(make: Make, twin: Path) -> None:
    pyproject = twin / "pyproject.toml"
    pyproject.write_text(pyproject.read_text("utf-8").replace('"0.1.0"', '"0.1.0+here"', 1), encoding="utf-8")
    (twin / ".venv" / "ready").touch()
    code, output, recorded = make("image")
    assert (code != 0, recorded) == (True, [])
    assert 'pyproject.toml: the version "0.1.0+here" has other signs' in output


def test_what_is_no_registry_is_refused(make: Make) -> None:
    for registry in ("https://ghcr.io/ada", "ghcr.io/Ada", "ghcr.io//ada", "ghcr.io/ada x", "/", ""):
        for target in ("push", "sign"):
            code, output, recorded = make(target, f"REGISTRY={registry}", COSIGN_KEY="key")
            assert (code != 0, recorded) == (True, []), registry
            assert "REGISTRY=ghcr.io/ada" in output


def test_a_slash_at_the_end_of_a_registry_does_no_harm(make: Make) -> None:
    assert name(make("push", "REGISTRY=ghcr.io/ada/")[2][-1]) == "ghcr.io/ada/myproj-jobs:0.1.0-COMMIT-v1"


SIGN = "cosign sign --yes --key env://COSIGN_KEY ghcr.io/ada/"


def test_what_is_signed_is_the_digest_of_this_very_repository(make: Make, tmp_path: Path) -> None:
    arguments = ("sign", "REGISTRY=ghcr.io/ada")
    assert make(*arguments, COSIGN_KEY="key")[2] == [f"{SIGN}myproj@sha256:5f", f"{SIGN}myproj-jobs@sha256:6f"]
    assert make(*arguments, COSIGN_KEY="")[::2] == (0, [])
    stand_ins(tmp_path, "docker", digests=["ghcr.io/ada/other@sha256:0f"])
    code, output, recorded = make(*arguments, COSIGN_KEY="key")
    assert (code != 0, recorded) == (True, [])
    assert "could not be signed" in output


def test_a_scan_looks_for_severe_holes_that_have_a_remedy(make: Make) -> None:
    code, _, recorded = make("scan")
    line = "trivy image --quiet --exit-code 1 --severity HIGH,CRITICAL --ignore-unfixed "
    assert code == 0
    assert [call.startswith(line) for call in recorded] == [True, True]
    assert [name(call) for call in recorded] == ["myproj:0.1.0-COMMIT-v1", "myproj-jobs:0.1.0-COMMIT-v1"]


@pytest.mark.parametrize(
    ("target", "fails"),
    [
        ("image", "docker build*"),
        *(("scan", "docker image inspect*"), ("scan", "trivy*")),
        *(("push", "docker tag*"), ("push", "docker push*"), ("sign", "cosign*")),
    ],
)
def test_the_first_failure_ends_it(make: Make, target: str, fails: str) -> None:
    code, output, recorded = make(target, "REGISTRY=ghcr.io/ada", COSIGN_KEY="key", FAILS=fails)
    assert code != 0
    assert "Traceback" not in output
    assert "is built." not in output
    assert [line.startswith(fails.rstrip("*")) for line in recorded[-1:]] == ([] if "inspect" in fails else [True])
    assert len([line for line in recorded if line.startswith(fails.rstrip("*"))]) <= 1


def test_the_version_is_that_of_the_project_and_of_no_tool(make: Make, twin: Path) -> None:
    pyproject = twin / "pyproject.toml"
    other = '[tool.commitizen]\nversion = "9.9.9"\n\n'
    pyproject.write_text(other + pyproject.read_text("utf-8") + other.replace("commitizen", "x"), encoding="utf-8")
    (twin / ".venv" / "ready").touch()
    commit(twin, "chore: use commitizen", "--no-verify")
    code, output, _ = make("--silent", "tag")
    assert (code, name(output)) == (0, "0.1.0-COMMIT-v1")
    built = make("image", "BUILD=--platform 'linux/amd64'")[2][0]
    assert " --build-arg VERSION=0.1.0 --build-arg COMMIT=" in built
    assert " --platform linux/amd64 --tag myproj:0.1.0-" in built


GATES = {
    "trivy*": "trivy image",
    "docker push*": "docker push",
    "cosign*": "cosign sign",
    "docker build*": "docker build",
}


@pytest.mark.parametrize("fails", GATES)
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_nothing_comes_after_a_gate_that_is_shut(
    generated: Path, render: Render, offline: dict[str, str], tmp_path: Path, ci: str, fails: str
) -> None:
    runner = Runner(tmp_path, generated, offline, ("docker", "trivy", "cosign", "python3"))
    runner.environment["FAILS"] = fails
    published = runner.checkout("published")
    for name, text in (("artifacts/v1/model", ""), ("artifacts/current", "v1"), ("build/summary.md", "# x")):
        for folder in (tmp_path / "model", published):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match="failed, with code 1"):
        if ci == "github":
            runner.github(workflow(render(ci=ci), "release")["jobs"]["publish"], published)
        else:
            script = "\n".join(gitlab(render(ci=ci))["publish"]["script"])
            runner.bash(script, published, COSIGN_KEY=SECRETS["secrets.COSIGN_KEY"])
    assert calls(runner)[-1] == GATES[fails]
    assert calls(runner).count(GATES[fails]) == 1


def test_a_variable_of_the_shell_is_never_asked_for(twin: Path, offline: dict[str, str]) -> None:
    inherited = {"ASKED_VERSION": "v1", "VERSION": "v1"}
    completed = command("make", "promote", cwd=twin, env=offline | inherited)
    assert completed.returncode != 0
    assert "Say which version" in completed.stderr
