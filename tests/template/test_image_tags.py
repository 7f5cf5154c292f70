"""Images are named by tags that stay what they are, in files and on the way to a registry."""

from pathlib import Path

import pytest

from ..conftest import Render
from .test_hooks import hook

image_tags = hook("image_tags")
PROJECT_TAG = "0.1.0-3f2a9c1b0d4e-20261122T160054182736-63de8fce"


@pytest.mark.parametrize(
    "tag", [PROJECT_TAG, PROJECT_TAG.replace("0.1.0", "2026.1"), "1.2.3", "v2.0.1", "1.28.0-alpine"]
)
def test_a_tag_that_stays_passes(tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert image_tags.main(["--tag", tag]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("", "no tag is named"),
        ("latest", "may mean another image"),
        ("2026.1", "may mean another image"),
        ("main", "may mean another image"),
        ("1", "may mean another image"),
        ("1.2", "may mean another image"),
        ("v1", "may mean another image"),
        (f"{PROJECT_TAG}-latest", "may mean another image"),
        ("0.1.0-3f2a9c1b0d4e-dirty-20261122T160054182736-63de8fce", "no commit holds"),
        ("0.1.0-uncommitted-20261122T160054182736-63de8fce", "no commit holds"),
        ("0.1.0-3f2a9c1b0d4e-", "names no model"),
        ("0.0.0-none-yet", "nothing was built"),
        ("1.2.3 4", "is no tag"),
        ("1.2.3;id", "is no tag"),
        ("../1.2.3", "is no tag"),
        ("-1.2.3", "is no tag"),
        (f"1.2.3-{'x' * 130}", "is no tag"),
        ("1.2.3\n", "is no tag"),
    ],
)
def test_a_tag_that_may_move_is_refused_in_one_line(tag: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert image_tags.main([f"--tag={tag}"]) == 1
    line = capsys.readouterr().out
    assert message in line
    assert line.endswith("as make tag prints it\n")


FILES = {
    "Dockerfile": "FROM --platform=linux/amd64 {} AS base\nFROM base AS next\nCOPY --from=base /a /b\nFROM scratch\n",
    "Dockerfile.dev": "FROM python:3.12-slim\nCOPY --chown=1:1 --from={} /uv /bin/uv\n",
    "compose.yaml": "services:\n  api: {{image: '{}'}}\n  own: {{image: '${{IMAGE:?is set by make up}}'}}\n",
    "deployment.yaml": "kind: A\n---\nspec:\n  containers:\n    - name: api\n      image: {}\n",
    ".gitlab-ci.yml": "image: {}\njob:\n  image: {{name: 'python:3.12.1', entrypoint: ['']}}\n",
    "services.yml": "job:\n  services: ['{}']\n  image: $CI_REGISTRY_IMAGE:$TAG\n",
    "service.json": '{{"ImageRepository": {{"ImageIdentifier": "{}"}}}}',
    "api.Dockerfile": "ARG BASE={}\nFROM ${{BASE}} AS Base\nRUN <<EOF\nFROM nowhere\nEOF\nFROM base\n",
    "b.Dockerfile": "\ufeffFROM \\\n  {}\r\n",
    "c.Dockerfile": "FROM a:1.2\nRUN --mount=type=bind,from={},target=/x true\nCOPY --from=0 /a /b\n",
    "container.yml": "jobs:\n  a:\n    container: {}\n  b: {{container: {{image: $IMAGE}}}}\n",
    "uses.yml": "steps:\n  - uses: docker://{}\n  - uses: actions/checkout@v1\n",
    "default.yaml": "services:\n  a: {{image: '${{IMAGE:-{}}}'}}\n  b: {{build: ., image: mine}}\n",
    "loop.yaml": "a: &x {{b: *x, image: '{}'}}\nicon: {{image: 'https://example.org/a.png'}}\nnone: {{image: null}}\n",
    "workflow.yml": "jobs:\n  a:\n    services:\n      db:\n        image: {}\n",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "image",
    [
        "nginx:1.28",
        "nginx:1.2.3-dev",
        "localhost:5000/team/nginx:1.28.0",
        f"nginx@sha256:{'0' * 64}",
        f"r.example.com/a:{PROJECT_TAG}",
    ],
)
def test_an_image_that_stays_passes(tmp_path: Path, name: str, image: str) -> None:
    (tmp_path / name).write_text(FILES[name].format(image), encoding="utf-8")
    assert image_tags.faults(tmp_path / name) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("image", ["nginx", "nginx:latest", "nginx:1", "localhost:5000/nginx", "nginx:stable"])
def test_an_image_that_may_move_is_refused(tmp_path: Path, name: str, image: str) -> None:
    text = FILES[name].format(image)
    (tmp_path / name).write_text(text, encoding="utf-8")
    (fault,) = image_tags.faults(tmp_path / name)
    line = next(number for number, content in enumerate(text.splitlines(), start=1) if image in content)
    reported_line = int(fault.removeprefix(f"{tmp_path.as_posix()}/{name}:").partition(":")[0])
    assert abs(reported_line - line) <= 1  # a command of two lines is told by its first, and a default where it is used


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("images:\n  - {name: api, newName: r.example.com/a, newTag: 0.0.0-none-yet}\n", False),
        ("images:\n  - {name: api, newName: r.example.com/a, newTag: latest}\n", True),
        ("images:\n  - {name: api, newName: r.example.com/a}\n", True),
        ("images:\n  - {name: api, newName: r.example.com/a, digest: 'sha256:0'}\n", True),
        (f"images:\n  - {{name: api, newName: r.example.com/a, digest: 'sha256:{'0' * 64}'}}\n", False),
        ("image: {repository: r.example.com/a, tag: '', digest: x}\n", False),
        ("image: {repository: r.example.com/a, tag: 1.2.3}\n", False),
        ("image: {repository: r.example.com/a, tag: latest}\n", True),
        ("image: '{{ .Values.image.repository }}:{{ .Values.image.tag }}'\n", False),
        ("image: {{ .Values.image }}\n", False),
    ],
)
def test_tags_that_stand_apart_from_their_image_are_seen(tmp_path: Path, text: str, wrong: bool) -> None:
    (tmp_path / "values.yaml").write_text(text, encoding="utf-8")
    assert bool(image_tags.faults(tmp_path / "values.yaml")) is wrong


@pytest.mark.parametrize("answers", [{"ci": "github"}, {"ci": "gitlab"}], ids=str)
def test_every_image_that_a_generated_project_names_stays(render: Render, answers: dict[str, str]) -> None:
    project = render(deploy=["kubernetes", "cloud-run", "app-runner", "jenkins-x"], **answers)
    named = [path for path in project.rglob("*") if path.suffix in (".yaml", ".yml", ".json") or "Docker" in path.name]
    assert len(named) > 10
    assert [line for path in named for line in image_tags.faults(path)] == []
