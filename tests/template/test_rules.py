"""The rules that keep the template small, plain and honest."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from ..conftest import ROOT, Render, succeed, unrendered_files
from ..support.variants import VARIANTS, Variant


def _files(folder: Path) -> list[Path]:
    """All files below a folder, but for what Python and tools leave there."""
    return [path for path in folder.rglob("*") if path.is_file() and not re.search(r"__pycache__|/\.", path.as_posix())]


COMMON = {
    *(".copier-answers.yml", ".gitattributes", ".gitignore", ".pre-commit-config.yaml", ".python-version"),
    *("LICENSE", "Makefile", "README.md", "pyproject.toml", ".dockerignore"),
    *(f"deploy/docker/{name}" for name in ("Dockerfile", "Dockerfile.dev", "compose.yaml", "dashboard.json")),
    *(f"deploy/docker/{name}" for name in ("needs.yaml", "nginx.conf", "prometheus.yml", "rules.yml")),
    *("deploy/doctor.py", "deploy/images.py"),
    *(".github/workflows/release.yml", ".github/workflows/test.yml"),
    *(f"deploy/ci/{name}" for name in ("README.md", "check_tag.py", "get_tools.py")),
    *("conf/logging.yaml", "conf/params.yaml", "data/README.md", "notebooks/README.md", "scripts/README.md"),
    *("expectations/dataset.json", "expectations/features.json"),
    *(
        f"docs/{name}.md"
        for name in ("adopt", "deploy", "glossary", "models", "monitor", "scores", "serve", "updates", "versions")
    ),
    *(f"hooks/{name}.py" for name in ("artifacts", "expectations", "image_tags", "install", "python_pin", "update")),
    *(f"src/myproj/{name}.py" for name in ("__init__", "__main__", "data", "features", "metrics", "model", "project")),
    *("src/myproj/py.typed", "src/myproj/train.py", "tests/conftest.py"),
    *(f"tests/code/test_{name}.py" for name in ("data", "features", "metrics", "model", "train")),
    *("tests/data/test_contract.py", "tests/data/test_faults.py", "tests/model/behavior.yaml"),
    *(f"tests/model/test_{name}.py" for name in ("answers", "behavior", "inference", "training")),
}
OF_TASK = {
    "tabular-classification": {"data/penguins.csv"},
    "tabular-regression": {"data/penguins.csv"},
    "text-classification": {"data/messages.csv"},
}
KIT = {path.relative_to(ROOT / "template").as_posix() for path in _files(ROOT / "template" / "packages")}
TEMPLATE = _files(ROOT / "template")


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_project_has_exactly_these_files(render: Render, variant: Variant) -> None:
    project = render(**variant.answers)
    files = COMMON | OF_TASK[variant.task] | KIT
    assert {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_what_a_user_has_to_read_stays_small(render: Render, variant: Variant) -> None:
    """A promise of the README: what is theirs can be read in one evening."""
    project = render(**variant.answers)
    modules = list((project / "src").rglob("*.py"))
    assert len(modules) <= 10
    assert sum(len(lines(path)) for path in modules) <= 550
    assert len(list((project / "tests").rglob("*.py"))) <= 12


def test_the_kit_reaches_a_project_byte_by_byte(render: Render) -> None:
    project = render()
    for name in KIT:
        assert (project / name).read_bytes() == (ROOT / "template" / name).read_bytes(), name


def test_no_file_of_the_kit_is_a_template() -> None:
    """Copier would render it, or what its path holds."""
    assert not [name for name in KIT if name.endswith(".jinja") or "{" in name]


def test_nothing_of_jinja_is_left_over(render: Render) -> None:
    assert unrendered_files(render()) == []


def test_few_lines_of_the_template_are_conditional() -> None:
    all_lines = [line for path in TEMPLATE for line in lines(path)]
    assert sum("{%" in line for line in all_lines) <= 0.03 * len(all_lines)


def test_no_python_file_is_conditional() -> None:
    for path in TEMPLATE:
        if path.name.endswith((".py", ".py.jinja")):
            conditional = [line for line in lines(path) if "{%" in line]
            assert len(conditional) <= 1, path
            assert all(re.fullmatch(r'{% include "(hooks|examples)/.*" -%}', line) for line in conditional), path
            assert "{" not in path.name


@pytest.mark.parametrize("name", ["artifacts", "expectations", "image_tags", "install", "python_pin", "update"])
def test_a_hook_reaches_a_project_byte_by_byte(render: Render, name: str) -> None:
    assert (render() / "hooks" / f"{name}.py").read_bytes() == (ROOT / "hooks" / f"{name}.py").read_bytes()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("package", ["a", "a" * 30])
def test_a_project_is_generated_formatted_whatever_its_name(
    render: Render, generated: Path, package: str, variant: Variant
) -> None:
    project = render(package=package, **variant.answers)
    ruff = generated / ".venv" / "bin" / "ruff"
    succeed(ruff, "format", "--check", cwd=project)
    succeed(ruff, "check", cwd=project)


def test_the_version_that_ci_tests_is_the_version_that_projects_start_with(render: Render) -> None:
    metadata = tomllib.loads((render() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    template = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["requires-python"] == template["requires-python"]


PAGES = [ROOT / "README.md", *(ROOT / "template").rglob("README.md*"), *(ROOT / "template" / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_names_only_targets_that_exist(page: Path) -> None:
    makefiles = [ROOT / "Makefile", ROOT / "template" / "Makefile.jinja", *(ROOT / "template").rglob("targets.mk")]
    texts = "\n".join(path.read_text("utf-8") for path in makefiles)
    targets = set(re.findall(r"^([a-z-]+):", texts, flags=re.MULTILINE))
    named = set(re.findall(r"(?<=[`\n])make ([a-z-]+)", page.read_text("utf-8")))
    assert named or page.parent.name in ("notebooks", "scripts") or page.stem == "glossary"
    assert named <= targets


def test_a_page_links_only_to_files_that_exist(render: Render) -> None:
    project = render()
    for page in (project / "README.md", *(project / "docs").glob("*.md"), ROOT / "README.md"):
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == [], page


def test_every_target_is_in_the_help(render: Render, environment: dict[str, str]) -> None:
    project = render()
    makefile = (project / "Makefile").read_text("utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split())
    assert {line.split()[0] for line in succeed("make", cwd=project, env=environment).splitlines()} == phony


def test_no_lock_and_no_registry_is_committed() -> None:
    tracked = succeed("git", "ls-files", cwd=ROOT).split("\n")
    assert not [name for name in tracked if name.endswith("uv.lock")]
    registries = ["pypi" + r"\.org", "python" + "hosted"]
    paths = [re.escape(f"{path}/") for path in (ROOT, Path.home()) if path != Path("/")]
    forbidden = "|".join([*registries, *paths])
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            assert not re.search(forbidden, (ROOT / name).read_text(encoding="utf-8", errors="ignore")), name


def test_copier_settings_keep_updates_out_of_what_is_the_user_s() -> None:
    text = (ROOT / "copier.yml").read_text("utf-8")
    protected = (ROOT / "template" / "docs" / "updates.md").read_text("utf-8").split("An update never changes")[1]
    for name in ("README.md", "conf", "data", "expectations", "notebooks", "scripts", "src", "tests"):
        assert f"/{name}{{% endif %}}" in text
        assert f"`{name}" in protected


def unrelated(node: ast.AST) -> bool:
    """Whether a statement assigns several values that have nothing to do with each other, unlike a swap."""
    if not (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)
    ):
        return False
    targets = node.targets[0].elts
    values = node.value.elts
    if len(targets) != len(values) or any(isinstance(item, ast.Starred) for item in (*targets, *values)):
        return False
    names = [{item.id for item in ast.walk(target) if isinstance(item, ast.Name)} for target in targets]
    used = [{item.id for item in ast.walk(value) if isinstance(item, ast.Name)} for value in values]
    return not any(set().union(*names[:place]) & used[place] for place in range(len(values)))


def test_a_statement_assigns_one_thing() -> None:
    for name in filter(None, succeed("git", "ls-files", "*.py", cwd=ROOT).split("\n")):
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        assert [node.lineno for node in ast.walk(tree) if unrelated(node)] == [], name
