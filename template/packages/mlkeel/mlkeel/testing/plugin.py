"""Fixtures for the tests of a project, and of the kit; a project names this plugin in its `pyproject.toml`.

Everything slow is made once a session: the table is loaded once and one model is trained. All of them are made from
the fixtures `project` and `root`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlkeel.adopt.transaction import finish
from mlkeel.behavior.cases import BEHAVIOR, Case, read_cases
from mlkeel.config import Settings, read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.models.model import Part
from mlkeel.project import Outcome, Prepared, Project, Run, Trained

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.features.encoder import Matrix
    from mlkeel.inference.predictor import Predictor
    from mlkeel.models.model import Model

SMALL = 16  # rows
MEMORIZING = {"learning_rate": 0.1, "weight_decay": 0.0, "l2_regularization": 0.0, "min_samples_leaf": 1}
# What the project, and what it calls, reads from the environment; a name that ends in _ stands for all that begin so.
VARIABLES = "API_ COLUMNS COMMIT FORCE_COLOR GIT_ LANG LANGUAGE LC_ LINES LOG_FORMAT MLFLOW_ NO_COLOR PORT TERM TTY_"


def pytest_configure(config: pytest.Config) -> None:
    """Finish an adoption that was killed after it was decided, before anything is read; let no test race a clock."""
    finish(config.rootpath)
    try:
        import hypothesis
    except ModuleNotFoundError:
        return
    hypothesis.settings.register_profile("any machine", deadline=None)
    hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def _nobodys_shell() -> Iterator[None]:
    """Let no test depend on who runs it, and none reach the repository of whoever pushes: git names it in GIT_DIR."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if any(name == read or (read[-1] == "_" and name.startswith(read)) for read in VARIABLES.split()):
                patch.delenv(name)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)  # neither hooks nor signatures of that person
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield


@pytest.fixture(scope="session")
def root(pytestconfig: pytest.Config) -> Path:
    """The project's folder."""
    return pytestconfig.rootpath


@pytest.fixture(scope="session")
def settings(project: Project, root: Path) -> Settings:
    """What `conf/params.yaml` says."""
    return read_settings(root / "conf" / "params.yaml", project.settings)


@pytest.fixture(scope="session")
def contract(root: Path) -> Contract:
    """Both suites of `expectations/`."""
    return read_contract(root / "expectations")


@pytest.fixture(scope="session")
def cases(root: Path) -> dict[str, list[Case]]:
    """The cases of `tests/model/behavior.yaml`, by their kinds."""
    return read_cases(root / BEHAVIOR)


@pytest.fixture(scope="session")
def table(project: Project, settings: Settings, contract: Contract, root: Path) -> "pd.DataFrame":
    """The whole table, one record a row."""
    return project.load(root / settings.data.path, contract)


@pytest.fixture(scope="session")
def _flow(project: Project, settings: Settings, contract: Contract, root: Path) -> tuple[Prepared, Trained]:
    from mlkeel.training.again import run_flow

    return run_flow(project, Run(root, settings, contract))


@pytest.fixture(scope="session")
def prepared(_flow: tuple[Prepared, Trained]) -> Prepared:
    """The table in three parts, and their matrices and truths."""
    return _flow[0]


@pytest.fixture(scope="session")
def trained(_flow: tuple[Prepared, Trained]) -> Trained:
    """A trained model with its losses and its evaluation."""
    return _flow[1]


@pytest.fixture(scope="session")
def run(settings: Settings, contract: Contract, root: Path) -> Run:
    """A training by the settings and the contract of the project, of which nothing is kept."""
    return Run(root, settings, contract)


@pytest.fixture(scope="session")
def train_part(prepared: Prepared) -> Part:
    """The rows that are learnt from: a matrix of shape (n, width) and the truth, shape (n,)."""
    return prepared.features["train"], prepared.truth["train"]


@pytest.fixture(scope="session")
def validation_part(prepared: Prepared) -> Part:
    """The rows that say when to stop."""
    return prepared.features["validation"], prepared.truth["validation"]


@pytest.fixture(scope="session")
def small_batch(train_part: Part) -> Part:
    """A few rows that can be learnt by heart."""
    from mlkeel.training.batches import batch_to_overfit

    return batch_to_overfit(*train_part, SMALL)


@pytest.fixture(scope="session")
def new_model(project: Project, prepared: Prepared, run: Run) -> Callable[[], "Model"]:
    """Makes a model that has learnt nothing yet."""
    from mlkeel.training.steps import new_model

    return lambda: new_model(project.build, prepared, run)


@pytest.fixture
def stepping(new_model: Callable[[], Any]) -> Any:  # noqa: ANN401 - a model that is also `Steps`
    """A model that has learnt nothing yet, and learns step by step; tests of those that do not are skipped."""
    from mlkeel.models.model import has_steps

    model = new_model()
    if not has_steps(model):
        pytest.skip("this model learns all at once")
    return model


@pytest.fixture
def memorizing(project: Project, prepared: Prepared, run: Run, stepping: Any) -> Any:  # noqa: ANN401, ARG001 - skips
    """The same, with settings that let it learn rows by heart: quick, and nothing that holds it back."""
    from mlkeel.training.steps import new_model

    parameters = run.settings.model
    freely = {name: value for name, value in MEMORIZING.items() if name in parameters}
    settings = run.settings.model_copy(update={"model": parameters | freely})
    return new_model(project.build, prepared, replace(run, settings=settings))


@pytest.fixture(scope="session")
def skill(project: Project, prepared: Prepared) -> Callable[["Model", Part], float]:
    """How much of the baseline's loss a model saves on some rows: 1 at best, 0 where it knows nothing."""
    from mlkeel.tasks.metrics import losses

    def saved(model: "Model", part: Part) -> float:
        features, truth = part
        poor = project.task.baseline(truth, len(truth), len(prepared.answers))
        loss, baseline = (losses(project.metrics, one, truth).mean() for one in (model.predict(features), poor))
        return float(1 - loss / baseline)

    return saved


@pytest.fixture(scope="session")
def fit_some() -> Callable[[Any, Part, Part], Any]:
    """Trains a model a little, and answers the validation rows with it."""
    from mlkeel.models.model import has_steps
    from mlkeel.progress import Watch

    def answers(model: Any, train: Part, validation: Part) -> Any:  # noqa: ANN401 - any model, and its answers
        if has_steps(model):
            for _ in range(5):
                model.step(*train)
        else:
            model.fit(train, validation, Watch(lambda _done, _loss: None))
        return model.predict(validation[0])

    return answers


@pytest.fixture(scope="session")
def tolerance(prepared: Prepared, settings: Settings) -> float:
    """How far answers may be apart that are to be the same: 1e-4, for numbers of their standard deviation."""
    from mlkeel.tasks.kinds import kind_of

    return 1e-4 * kind_of(prepared.contract, settings.data.target).size(prepared.truth["train"])


@pytest.fixture(scope="session")
def odd_rows(prepared: Prepared, table: "pd.DataFrame") -> "Matrix":
    """A thousand encoded rows: values mixed across rows, a tenth missing, a tenth of texts and categories unseen."""
    import numpy as np

    from mlkeel.features.encoder import encoder_of

    draw = np.random.default_rng(0)
    mixed: dict[str, Any] = {}
    for column in prepared.contract.columns:
        seen: Any = table[column.name]
        values: Any = draw.choice(seen.to_numpy(dtype=object, na_value=None), 1000)
        if not column.numeric:
            values[draw.random(1000) < 0.1] = "not seen before"
        values[draw.random(1000) < 0.1] = None
        mixed[column.name] = values.astype(np.float64) if column.numeric else values
    return encoder_of(prepared.contract).encode(mixed)


@pytest.fixture(scope="session")
def outcome(
    prepared: Prepared, trained: Trained, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    """The version that training leaves, in a folder of its own, so that the model in use stays as it is."""
    from mlkeel.training.publish import KeepVersion

    return KeepVersion(tmp_path_factory.mktemp("project"), settings, {})(prepared, trained)


@pytest.fixture(scope="session")
def predictor(outcome: Outcome) -> "Predictor":
    """That version, loaded from its files."""
    from mlkeel.inference.predictor import Predictor

    return Predictor.load(outcome.folder)
