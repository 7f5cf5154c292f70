"""Train on the table of a project, keep what comes of it, and note it where its settings say."""

import hashlib
import sys
from pathlib import Path

import mlkeel
from mlkeel.behavior.cases import BEHAVIOR, read_cases
from mlkeel.config import Settings, read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.files import LITTER
from mlkeel.project import Outcome, Project, Run
from mlkeel.registry import tracking
from mlkeel.training.checks import refuse_a_contract_of_another_project
from mlkeel.training.publish import KeepVersion, as_json

STAGES = ("data", "features", "tasks", "models", "training")  # of the kit, whose code decides what is learnt


def train(project: Project, root: Path) -> Outcome:
    """Train by `conf/params.yaml` of the project in `root`, and put what comes of it in use if it is good enough.

    Raises:
        InputError: the settings, the contract or the table cannot be used.
    """
    settings = read_settings(root / "conf" / "params.yaml", project.settings)
    cases, tracked = read_cases(root / BEHAVIOR), tracking.is_ready(settings.tracking)
    contract = read_contract(root / "expectations")
    refuse_a_contract_of_another_project(project, settings, contract)
    checkpoint = root / "artifacts" / f"{LITTER}checkpoint-{fingerprint(project, settings, contract, root)}"
    run = Run(root, settings, contract, KeepVersion(root, settings, cases), checkpoint)
    outcome = project.train(project, run)
    checkpoint.unlink(missing_ok=True)
    if tracked:
        tracking.note(outcome.folder, settings, root, project.package)
    return outcome


def fingerprint(project: Project, settings: Settings, contract: Contract, root: Path) -> str:
    """The same for trainings that learn the same, of which one may go on where another died.

    What trains counts: the settings but for those of gate, monitor and tracking, the table, what the contract says of
    features, and the code that loads, encodes and learns.
    """
    table = root / settings.data.path
    asked = settings.model_dump_json(exclude={"columns", "gate", "monitor", "tracking"})
    found = hashlib.sha256(asked.encode())
    found.update(hashlib.sha256(table.read_bytes()).digest() if table.is_file() else b"")
    found.update(as_json([contract.features, contract.values(settings.data.target)]))
    kit = Path(mlkeel.__file__).parent
    own = sys.modules.get(project.package)
    folders = [*(kit / stage for stage in STAGES), *(map(Path, own.__path__) if own else ())]
    for module in sorted(path for folder in folders for path in folder.rglob("*.py")):
        found.update(module.read_bytes())
    return found.hexdigest()[:16]
