"""Fixtures for the tests of a project and of the library; a project names this plugin in its `pyproject.toml`.

Slow fixtures have the scope of the session: the table is loaded once and one model is trained. All are made from the
fixtures `project` and `root`.
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
from mlkeel.errors import InputError
from mlkeel.models.model import Dataset
from mlkeel.project import Prepared, Project, Run, Trained, TrainingResult

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.inference.predictor import Predictor
    from mlkeel.models.model import Model
    from mlkeel.tasks.evaluation import Evaluation

REMARK = pytest.StashKey[str]()
SMALL_BATCH_ROWS = 16
OVERFIT_PARAMETERS = {"learning_rate": 0.1, "weight_decay": 0.0, "l2_regularization": 0.0, "min_samples_leaf": 1}
# The environment variables that a project and its tools read; a name that ends in _ is a prefix.
ENVIRONMENT_VARIABLES = (
    "API_ ASKED_ COLUMNS COMMIT FORCE_COLOR GIT_ LANG LANGUAGE LC_ LINES LOG_FORMAT MLFLOW_ NO_COLOR PORT TERM TTY_"
)


def pytest_configure(config: pytest.Config) -> None:
    """Finish an interrupted adoption before any file is read, and give tests of hypothesis no deadline."""
    finish(config.rootpath)
    try:
        import hypothesis
    except ModuleNotFoundError:
        return
    hypothesis.settings.register_profile("any machine", deadline=None)  # a busy machine is slow
    hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def _isolated_environment() -> Iterator[None]:
    """Isolate the tests from the caller's environment, and from the repository that GIT_DIR names in a git hook."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if any(
                name == known or (known[-1] == "_" and name.startswith(known))
                for known in ENVIRONMENT_VARIABLES.split()
            ):
                patch.delenv(name)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)  # neither hooks nor signatures of the caller
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield


@pytest.fixture(scope="session")
def root(pytestconfig: pytest.Config) -> Path:
    """The project's folder."""
    return pytestconfig.rootpath


@pytest.fixture(scope="session")
def settings(project: Project, root: Path) -> Settings:
    """The settings of `conf/params.yaml`."""
    return read_settings(root / "conf" / "params.yaml", project.settings)


@pytest.fixture(scope="session")
def contract(root: Path) -> Contract:
    """The contract in `expectations/`: its suites."""
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
def earlier_tables(
    project: Project,
    table: "pd.DataFrame",
    settings: Settings,
    contract: Contract,
    root: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> "list[tuple[pd.DataFrame, pd.DataFrame]]":
    """The table as it is loaded where the file ends with the rows of one time, and the same rows of the whole table.

    The times are those where a third and two thirds of all rows have come; none if the split is not by time.
    """
    import numpy as np
    import pandas as pd

    from mlkeel.data.time_split import moments_of

    time = settings.data.split.time
    if time is None:
        return []
    path = root / settings.data.path
    lines = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if time not in lines:
        pytest.skip(f"{time} is no column of {settings.data.path}, so the file cannot be cut in time")
    times = pd.to_numeric(lines[time]) if pd.api.types.is_numeric_dtype(table[time].dtype) else lines[time]
    moments = moments_of(times)
    pairs = []
    for moment in np.quantile(moments_of(table[time]), [1 / 3, 2 / 3], method="lower"):
        folder = tmp_path_factory.mktemp("earlier")
        for other in path.parent.iterdir():  # which the table may be joined with
            if other.name != path.name:
                (folder / other.name).symlink_to(other)
        lines[moments <= moment].to_csv(folder / path.name, index=False)
        earlier = project.load(folder / path.name, contract)
        same_rows = table[moments_of(table[time]) <= moment]
        pairs.append((earlier.reset_index(drop=True), same_rows.reset_index(drop=True)))
    return pairs


@pytest.fixture(scope="session")
def _flow(project: Project, settings: Settings, contract: Contract, root: Path) -> tuple[Prepared, Trained]:
    from mlkeel.training.reevaluate import run_flow

    return run_flow(project, Run(root, settings, contract))


@pytest.fixture(scope="session")
def prepared(_flow: tuple[Prepared, Trained], root: Path, pytestconfig: pytest.Config) -> Prepared:
    """The table, split and encoded: features and targets of train, validation and test."""
    pytestconfig.stash[REMARK] = outdated_version(root, _flow[0])
    return _flow[0]


def outdated_version(root: Path, prepared: Prepared) -> str:
    """Say that the current version encodes rows otherwise than the project does now; nothing if it does not."""
    import numpy as np

    from mlkeel.inference.predictor import Predictor
    from mlkeel.registry.artifact import current

    rows = prepared.table.test
    try:
        folder = current(root / "artifacts")
        encoded = Predictor.load(folder).encoder.encode(rows)
    except (InputError, KeyError, ValueError):  # there is none, or it learnt from other columns
        return ""
    if np.array_equal(encoded, prepared.features["test"], equal_nan=True):
        return ""
    return (
        f"artifacts/{folder.name}, which is current, is older than features.py or the contract: it goes on answering "
        "with the features that it was trained with. Train again to use the new ones."
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the end what is no fault, and what a person should know."""
    if remark := config.stash.get(REMARK, ""):
        terminalreporter.write_line(remark)


@pytest.fixture(scope="session")
def trained(_flow: tuple[Prepared, Trained]) -> Trained:
    """A trained model with its losses and its evaluation."""
    return _flow[1]


@pytest.fixture(scope="session")
def run(settings: Settings, contract: Contract, root: Path) -> Run:
    """The inputs of a training, which publishes nothing."""
    return Run(root, settings, contract)


@pytest.fixture(scope="session")
def train_data(prepared: Prepared) -> Dataset:
    """The train split: features of shape (n, width) and targets of shape (n,)."""
    return prepared.features["train"], prepared.targets["train"]


@pytest.fixture(scope="session")
def validation_data(prepared: Prepared) -> Dataset:
    """The validation split: features of shape (n, width) and targets of shape (n,)."""
    return prepared.features["validation"], prepared.targets["validation"]


@pytest.fixture(scope="session")
def small_batch(train_data: Dataset) -> Dataset:
    """A few rows that a model can overfit: features and targets."""
    from mlkeel.training.batches import batch_to_overfit

    return batch_to_overfit(*train_data, SMALL_BATCH_ROWS)


@pytest.fixture(scope="session")
def new_model(project: Project, prepared: Prepared, run: Run) -> Callable[[], "Model"]:
    """A function that makes an untrained model."""
    from mlkeel.training.steps import new_model

    return lambda: new_model(project.build, prepared, run)


@pytest.fixture
def stepping(new_model: Callable[[], Any]) -> Any:  # noqa: ANN401 - a model that is also `Steps`
    """An untrained model that learns in steps; a test that asks for it is skipped if the model does not."""
    from mlkeel.models.model import has_steps

    model = new_model()
    if not has_steps(model):
        pytest.skip("this model learns all at once")
    return model


@pytest.fixture
def memorizing(project: Project, prepared: Prepared, run: Run, stepping: Any) -> Any:  # noqa: ANN401, ARG001 - skips
    """The same, with hyperparameters that let it overfit quickly, without regularization."""
    from mlkeel.training.steps import new_model

    parameters = run.settings.model
    overrides = {name: value for name, value in OVERFIT_PARAMETERS.items() if name in parameters}
    settings = run.settings.model_copy(update={"model": parameters | overrides})
    return new_model(project.build, prepared, replace(run, settings=settings))


@pytest.fixture(scope="session")
def skill(project: Project, prepared: Prepared) -> Callable[["Model", Dataset], float]:
    """A function that returns the skill of a model on some rows, 1 - loss/baseline: 1 at best, 0 for the baseline."""
    from mlkeel.tasks.metrics import primary, score, skill_score

    metric = primary(project.metrics)

    def skill_of(model: "Model", data: Dataset) -> float:
        features, y_true = data
        baseline_outputs = project.task.baseline(y_true, len(y_true), len(prepared.output_names))
        value = score([metric], model.predict(features), y_true)[metric.name]
        return skill_score(metric, value, score([metric], baseline_outputs, y_true)[metric.name])

    return skill_of


@pytest.fixture(scope="session")
def fit_some() -> Callable[[Any, Dataset, Dataset], Any]:
    """A function that trains a model a little, and returns its outputs for the validation split."""
    from mlkeel.models.model import has_steps
    from mlkeel.progress import Callbacks

    def fit_and_predict(model: Any, train: Dataset, validation: Dataset) -> Any:  # noqa: ANN401 - any model and outputs
        if has_steps(model):
            for _ in range(5):
                model.step(*train)
        else:
            model.fit(train, validation, Callbacks(lambda _done, _loss: None))
        return model.predict(validation[0])

    return fit_and_predict


@pytest.fixture(scope="session")
def tolerance(prepared: Prepared, settings: Settings) -> float:
    """The absolute tolerance for outputs that should be equal: 1e-4 of the target's scale."""
    from mlkeel.tasks.output_types import output_type_of

    return 1e-4 * output_type_of(prepared.contract, settings.data.target).target_scale(prepared.targets["train"])


@pytest.fixture(scope="session")
def odd_rows(prepared: Prepared, table: "pd.DataFrame") -> dict[str, Any]:
    """A thousand rows by their columns: values mixed across rows, a tenth missing, a tenth of all texts unknown."""
    import numpy as np

    rng = np.random.default_rng(0)
    mixed: dict[str, Any] = {}
    for column in prepared.contract.columns:
        known: Any = table[column.name]
        values: Any = rng.choice(known.to_numpy(dtype=object, na_value=None), 1000)
        if not column.numeric:
            values[rng.random(1000) < 0.1] = "not seen before"
        values[rng.random(1000) < 0.1] = None
        mixed[column.name] = values.astype(np.float64) if column.numeric else values
    return mixed


@pytest.fixture(scope="session")
def _cross_validated(project: Project, prepared: Prepared, trained: Trained, run: Run) -> Trained:
    from mlkeel.training.cross_validation import cross_validated

    return cross_validated(project, run, prepared, trained)


@pytest.fixture(scope="session")
def judged(_cross_validated: Trained) -> "Evaluation":
    """The evaluation by which the gate judges: on the rows of all folds, or of the test split if there are none."""
    return _cross_validated.judged


@pytest.fixture(scope="session")
def outcome(
    prepared: Prepared, _cross_validated: Trained, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    """The version that training publishes, in a temporary folder, so that the project's current version stays."""
    from mlkeel.training.publish import PublishVersion

    return PublishVersion(tmp_path_factory.mktemp("project"), settings, {})(prepared, _cross_validated)


@pytest.fixture(scope="session")
def predictor(outcome: TrainingResult) -> "Predictor":
    """The predictor of that version, loaded from its files."""
    from mlkeel.inference.predictor import Predictor

    return Predictor.load(outcome.folder)
