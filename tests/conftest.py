"""What the tests share: a snapshot of this checkout as a released template, and one generated project."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from copier import run_copy
from xdist.scheduler import LoadScopeScheduling

from .support.engine import Engine, engine
from .support.environments import lend, once, run_folder
from .support.rendering import render_without_repetition

ROOT = Path(__file__).parents[1]
MARKS = {"lender": "project", "docker": "docker", "browser": "browser"}  # of tests that use a fixture
Render = Callable[..., Path]
CACHE = Path.home() / ".cache" / "mltemplate"
FEW_TESTS = {"PYTEST_ADDOPTS": "-k missing_column"}  # where it matters that the tests of a project run, and not which
CONTAINER_ANSWERS = {"python_version": "3.11", "deploy": ["kubernetes"]}


def pytest_configure(config: pytest.Config) -> None:
    """Let each of several workers compute on one thread: more threads than cores wait for each other.

    And let every process keep the bytecode of what it imports, also where a variable says not to, as in containers: to
    compile libraries anew in each of hundreds of processes takes longer than what they are started for.
    """
    if getattr(config.option, "numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the expensive fixtures that they use, begin with the longest groups, and end with short ones."""
    for item in items:
        for fixture, mark in MARKS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)
    items.sort(key=lambda item: ORDER.get(item.path.stem, ORDER.get(group(item.nodeid), 0)))


# Files that share what is expensive to make are a group, and so is any other file; one worker runs all of a group.
GROUPS = {"test_containers": "docker", "test_pods": "docker"}
ALONE = {"test_other_kinds", "test_mutants"}  # each of these runs other tests, and shares nothing with the next
# The longest begin and what is short and alone ends, so that no worker is left with one.
LONGEST = ("docker", "test_other_kinds", "test_variants", "test_everyday", "test_update", "test_adopt", "test_readme")
ORDER = {name: place - len(LONGEST) for place, name in enumerate(LONGEST)} | {"test_mutants": 1}


def group(nodeid: str) -> str:
    """The group of a test."""
    file = nodeid.partition("::")[0]
    if Path(file).stem in ALONE:
        return nodeid
    return GROUPS.get(Path(file).stem, file)


class GroupScheduling(LoadScopeScheduling):
    """Sends all tests of a group to one worker; `--dist loadgroup` does not, with pytest 9 (pytest-xdist 1386)."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling:
    """Distribute tests by group."""
    return GroupScheduling(config, log)


def command(*words: str | Path, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal; its outputs are text."""
    line = [str(word) for word in words]
    nothing = subprocess.DEVNULL
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, check=False, stdin=nothing)


def succeed(*words: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command that must succeed, and return what it printed."""
    completed = command(*words, cwd=cwd, env=env)
    assert completed.returncode == 0, f"{' '.join(map(str, words))}\n{completed.stdout}\n{completed.stderr}"
    return completed.stdout + completed.stderr


def commit(folder: Path, message: str, *options: str) -> None:
    succeed("git", "add", "--all", cwd=folder)
    succeed("git", "commit", "--quiet", "--message", message, *options, cwd=folder)


def unrendered_files(project: Path) -> list[Path]:
    """The files of `project` in which Jinja was not rendered; Helm, Prometheus and Grafana have braces of their own."""
    other_templates = [
        *project.glob("deploy/jenkins-x/charts/*/templates/*"),
        *project.glob("deploy/jenkins-x/preview/*"),
    ]
    other_templates += [project / "deploy" / "docker" / name for name in ("rules.yml", "dashboard.json")]
    jinja = re.compile(r"(?<!\$){{(?![\d,]+}})|{%|{#")  # GitHub's expressions begin with a dollar, "{{3}}" counts
    files = {path for path in project.rglob("*") if path.is_file()} - set(other_templates)
    return sorted(path for path in files if jinja.search(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="session", autouse=True)
def _default_sigint_handler() -> None:
    """Whoever starts the tests in the background has them, and all that they start, ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _git_config(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Settings of git for the tests alone, so that they pass on a machine that has none."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:  # a hook names its repository in them
        del os.environ[name]
    config = tmp_path_factory.mktemp("git") / "config"
    config.write_text("[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n", encoding="utf-8")
    os.environ["GIT_CONFIG_GLOBAL"] = str(config)


@pytest.fixture(scope="session", autouse=True)
def _quick_rendering() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        render_without_repetition(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _types_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let all projects, and the hooks of all commits, share what mypy learnt: they differ in little."""
    os.environ["MYPY_CACHE_DIR"] = str(tmp_path_factory.mktemp("types"))


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout, uncommitted changes included, as a git repository with the tag v0.1.0."""
    destination = tmp_path_factory.mktemp("released") / "mltemplate"
    output = succeed("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, output.split("\0")):
        if (ROOT / name).is_file():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, destination / name)
    succeed("git", "init", "--quiet", cwd=destination)
    commit(destination, "feat: release")
    succeed("git", "tag", "v0.1.0", cwd=destination)
    return destination


@pytest.fixture(scope="session")
def rendered_once(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """The template, rendered with defaults and with the answers that are given, without trust; not to be changed."""
    projects: dict[tuple[str, str], Path] = {}

    def write(name: str, **answers: object) -> Path:
        key = (name, repr(sorted(answers.items())))
        if key not in projects:
            project = tmp_path_factory.mktemp("rendered") / name
            run_copy(str(snapshot), project, data=answers, defaults=True, quiet=True)
            projects[key] = project
        return projects[key]

    return write


@pytest.fixture
def render(rendered_once: Render, tmp_path: Path) -> Render:
    """The same as a copy, to be changed at will."""

    def write(name: str = "myproj", **answers: object) -> Path:
        return Path(shutil.copytree(rendered_once(name, **answers), tmp_path / name, symlinks=True))

    return write


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a person who has uv, and nothing of this project, on the PATH."""
    tools = tmp_path_factory.mktemp("tools")
    (tools / "uv").symlink_to(Path(sys.executable).parent / "uv")
    own_programs = str(Path(sys.executable).parent)
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder != own_programs]
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "VIRTUAL_ENV", "MAKE"))
    }
    lazily = {"UV_COMPILE_BYTECODE": "0"}  # what is imported is compiled then, which is a quarter of all
    return variables | lazily | {"PATH": os.pathsep.join([str(tools), *path])}


@pytest.fixture(scope="session")
def lender(
    snapshot: Path, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> Callable[[str], Path]:
    """A project of a framework, whose environment has all that any of its projects imports; made once a run."""
    from .support.variants import VARIANTS, generate

    shared = run_folder(tmp_path_factory.getbasetemp()) / "lent environments"

    @cache
    def project_of(framework: str) -> Path:
        def make(folder: Path) -> None:
            project = generate(
                next(variant for variant in VARIANTS if variant.framework == framework), snapshot, folder, environment
            )
            packages = ("regex", "types-regex", "pytest-xdist", "pytest-randomly")
            succeed("uv", "pip", "install", "--quiet", "--python", ".venv", *packages, cwd=project, env=environment)
            by_content = ("--invalidation-mode", "checked-hash")  # it is lent to copies that are younger
            succeed(".venv/bin/python", "-m", "compileall", "-qf", *by_content, "packages/mlkeel/mlkeel", cwd=project)
            succeed(".venv/bin/mypy", "--cache-dir", folder / "types", cwd=project)

        folder = once(shared / framework, make)
        shutil.copytree(folder / "types", os.environ["MYPY_CACHE_DIR"], dirs_exist_ok=True)
        return folder / "myproj"

    return project_of


@pytest.fixture(scope="session")
def generated(snapshot: Path, lender: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default project with its environment and hooks, committed; not to be changed. Its path has a space."""
    project = tmp_path_factory.mktemp("new born") / "myproj"
    run_copy(str(snapshot), project, defaults=True, quiet=True)
    succeed("git", "init", "--quiet", cwd=project)
    shutil.copy(lender("scikit-learn") / "uv.lock", project)
    lend(lender("scikit-learn") / ".venv", project)
    succeed("make", "setup", cwd=project)
    commit(project, "feat: begin with the example", "--no-verify")
    return project


@pytest.fixture
def twin(generated: Path, tmp_path: Path) -> Path:
    """A clone of the generated project, with its hooks and an environment, to be changed at will."""
    return clone(generated, tmp_path / "twin")


def clone(project: Path, destination: Path) -> Path:
    """A clone of `project`, with its hooks, and with an environment that is lent by that of `project`."""
    succeed("git", "clone", "--quiet", project, destination, cwd=destination.parent)
    lend(project / ".venv", destination)
    for hook in (project / ".git" / "hooks").iterdir():
        shutil.copy(hook, destination / ".git" / "hooks")  # newer than the environment, so make has nothing left to do
    return destination


def clone_with_versions(project: Path, destination: Path) -> Path:
    """A clone of `project` with the versions of its model, which git does not keep."""
    clone(project, destination)
    shutil.copytree(project / "artifacts", destination / "artifacts", dirs_exist_ok=True)
    return destination


@pytest.fixture(scope="session")
def trained_of(
    snapshot: Path, lender: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, offline: dict[str, str]
) -> Callable[[str], Path]:
    """The default project of a task with a current version, committed, made once a run; not to be changed."""
    shared = run_folder(tmp_path_factory.getbasetemp()) / "trained projects"

    def project_of(task: str) -> Path:
        def make(folder: Path) -> None:
            project = folder / "myproj"
            run_copy(str(snapshot), project, data={"task": task}, defaults=True, quiet=True)
            succeed("git", "init", "--quiet", cwd=project)
            shutil.copy(lender("scikit-learn") / "uv.lock", project)
            lend(lender("scikit-learn") / ".venv", project)
            commit(project, "feat: begin with the example")
            succeed("make", "train", cwd=project, env=offline)

        return once(shared / task, make) / "myproj"

    return project_of


@pytest.fixture
def trained(trained_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A clone of the default project with a current version, to be changed at will."""
    return clone_with_versions(trained_of("tabular-classification"), tmp_path / "trained")


@pytest.fixture(scope="session")
def offline(environment: dict[str, str]) -> dict[str, str]:
    """The same person without a network: every address leads nowhere, and uv is told so."""
    nowhere = dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"
    )
    return environment | nowhere | {"UV_OFFLINE": "1", "NO_PROXY": "", "no_proxy": "", "PIP_NO_INDEX": "1"}


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # what is thrown away need not reach a disk
    with tempfile.TemporaryDirectory(dir=memory) as folder, engine(Path(folder), CACHE) as private_engine:
        yield private_engine


@pytest.fixture(scope="session")
def container_project(
    snapshot: Path, lender: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, person: dict[str, str]
) -> Path:
    """A trained project on the Python that the stand-in image has; not to be changed."""
    project = tmp_path_factory.mktemp("contained") / "myproj"
    run_copy(str(snapshot), project, data=CONTAINER_ANSWERS, defaults=True, quiet=True)
    succeed("git", "init", "--quiet", cwd=project)
    shutil.copy(lender("scikit-learn") / "uv.lock", project)
    lend(lender("scikit-learn") / ".venv", project)
    succeed("make", "train", cwd=project, env=person)
    commit(project, "feat: begin with the example")
    succeed("chmod", "--recursive", "go-rwx", "src", "conf", "pyproject.toml", cwd=project)  # as a strict umask does
    return project


@pytest.fixture(scope="session")
def person(docker: Engine, environment: dict[str, str]) -> dict[str, str]:
    """A person whose `docker` is the engine of the tests."""
    return docker.within(environment)


@pytest.fixture(scope="session")
def image(container_project: Path, person: dict[str, str]) -> str:
    output = succeed("make", "--silent", "image", cwd=container_project, env=person)
    return re.findall(r"^(\S+) is built\.$", output, flags=re.MULTILINE)[0]
