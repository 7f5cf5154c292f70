"""Train on the table of a project, publish a version, and log the run to MLflow if the settings say so."""

import hashlib
import sys
from pathlib import Path

import mlkeel
from mlkeel.behavior.cases import BEHAVIOR, read_cases
from mlkeel.config import Settings, read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.files import TEMP_PREFIX
from mlkeel.project import Project, Run, TrainingResult
from mlkeel.registry import tracking
from mlkeel.tasks.scorers import check_metrics
from mlkeel.training.checks import check_contract, check_gate_scores, check_slice_limit
from mlkeel.training.cross_validation import CrossValidate
from mlkeel.training.publish import PublishVersion, as_json

STAGES = (
    "contract",
    "data",
    "features",
    "tasks",
    "models",
    "training",
)  # the subpackages whose code affects the trained model


def train(project: Project, root: Path) -> TrainingResult:
    """Train as `conf/params.yaml` of the project in `root` says, and make the new version current if it is good enough.

    Raises:
        InputError: the settings, the contract or the table are invalid.
    """
    settings = read_settings(root / "conf" / "params.yaml", project.settings)
    cases = read_cases(root / BEHAVIOR)
    tracked = tracking.is_ready(settings.tracking)
    contract = read_contract(root / "expectations")
    check_contract(project, settings, contract)
    check_metrics(project.metrics)
    check_slice_limit(settings.gate, project.metrics[0])
    check_gate_scores(settings, (*project.metrics, *project.task.metrics))
    checkpoint = root / "artifacts" / f"{TEMP_PREFIX}checkpoint-{fingerprint(project, settings, contract, root)}"
    publish = CrossValidate(
        project, Run(root, settings, contract), PublishVersion(root, settings, cases, project=project)
    )
    outcome = project.train(project, Run(root, settings, contract, publish, checkpoint))
    for path in checkpoint.parent.glob(f"{checkpoint.name}*"):  # a bag has one a model
        path.unlink(missing_ok=True)
    if tracked:
        tracking.log_run(outcome.folder, settings, root, project.package)
    return outcome


def fingerprint(project: Project, settings: Settings, contract: Contract, root: Path) -> str:
    """Return a digest that equal trainings share, so that one can resume from the checkpoint of another.

    It covers what affects the model: the settings but for roles of columns, gate, decision, calibration, monitor and
    tracking, the table, the contract of the features, the classes of the target, and the code that loads, encodes and
    trains.
    """
    table = root / settings.data.path
    relevant_settings = settings.model_dump_json(
        exclude={"columns", "gate", "decision", "calibration", "monitor", "tracking"}
    )
    digest = hashlib.sha256(f"{relevant_settings}{settings.weight}".encode())
    digest.update(hashlib.sha256(table.read_bytes()).digest() if table.is_file() else b"")
    digest.update(as_json([contract.features, contract.values(settings.data.target)]))
    kit = Path(mlkeel.__file__).parent
    package = sys.modules.get(project.package)
    folders = [*(kit / stage for stage in STAGES), *(map(Path, package.__path__) if package else ())]
    for module in sorted(path for folder in folders for path in folder.rglob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()[:16]
