"""Whatever a person answers, the project is valid or the answer is refused in a sentence."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from ..conftest import ROOT, Render, commit, succeed

HARD_NAMES = [
    'The "best" model',
    "Ada's model",
    "{{ project_name }} {% if x %}",
    "Churn 🐧 model",
    "Größe der Bäume",
    "3 little pigs",
    "class",
    "random",
    "pandas",
    "日本語",
    "back\\slash and 100 % #hash: value",
    "a/b/../c",
    "-dash first",
    "x" * 80,
    "null",
    "${HOME} `id` $(id)",
    "comma, inc.",
    "<b>bold</b> & more",
]


def check_files(project: Path) -> None:
    """Every file that a program reads is valid in its language, and nothing of Jinja is left."""
    for path in project.rglob("*"):
        if path.suffix == ".toml":
            tomllib.loads(path.read_text(encoding="utf-8"))
        elif path.suffix in (".yaml", ".yml"):
            yaml.safe_load(path.read_text(encoding="utf-8"))
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".py":
            compile(path.read_text(encoding="utf-8"), path, "exec")
    assert not list(project.rglob("*.jinja"))


@pytest.mark.parametrize("name", HARD_NAMES)
def test_any_name_gives_a_valid_project(render: Render, name: str) -> None:
    project = render(project_name=name, description=name, author_name=name)
    check_files(project)
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["description"] == name
    assert metadata["authors"] == [{"name": name}]
    package = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))["package"]
    assert package.isidentifier()
    assert (project / "src" / package / "project.py").is_file()
    assert (project / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n")


@pytest.mark.parametrize(
    ("question", "answer", "message"),
    [
        ("project_name", "", "Give it a name"),
        ("project_name", "   ", "Give it a name"),
        ("project_name", "two\nlines", "one line"),
        ("project_name", "x" * 81, "at most 80"),
        ("package", "", "Use small letters"),
        ("package", "Churn", "Use small letters"),
        ("package", "3churn", "Use small letters"),
        ("package", "churn-model", "Use small letters"),
        ("package", "../churn", "Use small letters"),
        ("package", "größe", "Use small letters"),
        ("package", "churn\n", "Use small letters"),
        ("package", "x" * 31, "at most 30"),
        ("package", "churn_", "no _ last"),
        ("package", "churn__model", "single _"),  # no image could be called so
        ("package", "a_b" * 11, "at most 30"),
        ("package", "class", "Choose another name: class"),
        ("package", "random", "Choose another name: random"),
        ("package", "sklearn", "Choose another name: sklearn"),
        ("description", "", "Say it in one line"),
        ("description", "two\nlines", "Say it in one line"),
        ("author_name", "", "Give a name"),
        ("author_name", "two\nlines", "Give a name"),
        ("author_name", "delete\x7f", "Give a name"),
        ("project_name", "next\x85line", "one line"),
        ("author_email", "ada", "Give an address"),
        ("author_email", "a..b@example.org", "Give an address"),
        ("author_email", "ada:b@example.org", "Give an address"),
        ("author_email", "ä@example.org", "Give an address"),
        ("author_email", 'ada"@example.org', "Give an address"),
        ("license", "GPL", "Invalid choice"),
        ("task", "astrology", "Invalid choice"),
        ("framework", "abacus", "Invalid choice"),
        ("python_version", "2.7", "Invalid choice"),
        ("ci", "bamboo", "Invalid choice"),
    ],
)
def test_a_wrong_answer_is_refused_in_a_sentence(render: Render, question: str, answer: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(**{question: answer})


@pytest.mark.parametrize(
    ("license_name", "phrase"),
    [
        ("MIT", "Permission is hereby granted"),
        ("Apache-2.0", "Apache License"),
        ("BSD-3-Clause", "Neither the name of the copyright holder"),
        ("Proprietary", "proprietary and confidential"),
    ],
)
def test_each_license_comes_with_its_text(render: Render, license_name: str, phrase: str) -> None:
    project = render(license=license_name, author_email="ada@example.org")
    assert phrase in (project / "LICENSE").read_text(encoding="utf-8")
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert license_name in metadata["license"]
    assert metadata["authors"][0]["email"] == "ada@example.org"


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_python_version_is_pinned_for_pyenv_and_uv(render: Render, version: str) -> None:
    assert (render(python_version=version) / ".python-version").read_text(encoding="utf-8") == f"{version}\n"


def test_the_folder_names_the_project(render: Render) -> None:
    assert (render("customer churn") / "src" / "customer_churn").is_dir()


def test_no_name_of_python_s_or_of_a_dependency_is_a_package(generated: Path) -> None:
    program = (
        "import sys, keyword, importlib.metadata as m; "
        "print(*sys.stdlib_module_names, *keyword.kwlist, *m.packages_distributions())"
    )
    names = succeed(generated / ".venv" / "bin" / "python", "-c", program, cwd=generated).lower().split()
    reserved = (ROOT / "includes" / "reserved_names.jinja").read_text(encoding="utf-8").split('"')[1].split()
    importable = {name for name in names if name.isidentifier() and not name.startswith("_") and "__" not in name}
    assert importable - {"myproj"} <= set(reserved)


def test_every_question_has_a_help_text_and_a_default() -> None:
    questions = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    for name, question in questions.items():
        if not name.startswith("_"):
            assert question["help"].endswith(("?", ".")), name
            assert "default" in question, name


def test_a_package_called_like_a_folder_that_git_ignores_is_committed_whole(render: Render) -> None:
    project = render(package="predictions")
    ignored = (project / ".gitignore").read_text(encoding="utf-8")
    for name in re.findall(r"^/?([a-z]+)/$", ignored, flags=re.MULTILINE):
        (project / "src" / name).mkdir(exist_ok=True)
        (project / "src" / name / "model.py").touch()
    paths = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    succeed("git", "init", "--quiet", cwd=project)
    commit(project, "feat: begin")
    assert set(succeed("git", "ls-files", cwd=project).split()) == paths
