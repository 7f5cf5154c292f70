"""The commands that train a model, evaluate it and summarize it."""

import logging

import typer

from mlkeel.cli.console import show, show_rival
from mlkeel.cli.hints import promote_command
from mlkeel.cli.session import session_of
from mlkeel.config import read_settings, read_version_settings
from mlkeel.contract.messages import summarize
from mlkeel.contract.suites import read_contract
from mlkeel.files import atomic_write
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile

logger = logging.getLogger(__name__)


def train(context: typer.Context) -> None:
    """Train, evaluate, write an artifact, and make it current if it is good enough."""
    from mlkeel.training.training import train as run

    session = session_of(context)
    outcome = run(session.project, session.root)
    show(outcome.evaluation, outcome.cross_validation)
    show_rival(outcome.rival)
    if outcome.champion_comparison:
        logger.info("The new version and the current one: %s.", outcome.champion_comparison)
    if outcome.failures:
        logger.error(
            "%s is kept, and not made current. %s To make it current all the same: %s",
            outcome.folder,
            summarize(outcome.failures, f"{outcome.folder}/MODEL_CARD.md"),
            promote_command(outcome.folder.name, session.project.package),
        )
        raise typer.Exit(1)
    logger.info("%s is current.", outcome.folder)


def check_features(context: typer.Context) -> None:
    """Check that the derived features of `features.py` can become part of the graph, and agree with it on the table."""
    from mlkeel.features.agreement import check_agreement
    from mlkeel.features.export import build_encoder

    session = session_of(context)
    features = session.project.features
    if not features.derives:
        return
    contract = read_contract(session.root / "expectations")
    settings = read_settings(session.root / "conf" / "params.yaml", session.project.settings)
    encoder = build_encoder(contract, features)
    path = session.root / settings.data.path
    if path.is_file():  # git may not hold it
        check_agreement(features.derived, encoder, session.project.load(path, contract))
    logger.info("Derived features: %s.", ", ".join(encoder.derived))


def contract(context: typer.Context) -> None:
    """Draft rules of the derived columns from the table, and keep those that a person wrote."""
    import pandas as pd

    from mlkeel.adopt.writers import render_suite
    from mlkeel.drafts.draft import draft_derived
    from mlkeel.features.export import build_encoder

    session = session_of(context)
    project = session.project
    path = session.root / "expectations" / "derived.json"
    if not project.features.derives:
        removed = f" {path} was removed." if path.is_file() else ""
        path.unlink(missing_ok=True)
        logger.info("features.py derives no column, so there are no rules for any.%s", removed)
        return
    raw = read_contract(session.root / "expectations")
    settings = read_settings(session.root / "conf" / "params.yaml", project.settings)
    table = project.load(session.root / settings.data.path, raw)
    derived = pd.DataFrame(build_encoder(raw, project.features).derive(table))
    with atomic_write(path) as file:
        file.write(render_suite(draft_derived(derived, raw.derived)))
    logger.info("%s holds rules of %s. Review them with git diff, and train.", path, ", ".join(map(str, derived)))


def evaluate(context: typer.Context) -> None:
    """Evaluate the current version on the test split of the table, by the settings and contract of its training."""
    from mlkeel.inference.predictor import Predictor
    from mlkeel.training.reevaluate import reevaluate

    session = session_of(context)
    folder = artifact.current(session.root / "artifacts")
    predictor = Predictor.load(folder)
    settings = read_version_settings(folder, session.project.settings)
    prepared, judged = reevaluate(session.project, predictor, settings, session.root)
    show(judged.evaluation)
    if prepared.digest != MetricsFile.read(folder).data.sha256:
        logger.warning(
            "%s is not as it was in training: a row that was changed since may have been learnt from in its old form, "
            "so these scores can be too good. Train again for scores that hold.",
            settings.data.path,
        )
    logger.info("%s was evaluated on %s rows.", folder, f"{judged.evaluation.model.rows:,}")


def summary(context: typer.Context) -> None:
    """Print the metrics of the current version and what the contract says of the table, in Markdown."""
    from mlkeel.report.tables import summary as run

    session = session_of(context)
    typer.echo(run(session.root, session.project.load))
