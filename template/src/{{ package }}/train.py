"""The flow of a training, and the only one there is: a step that is replaced here is replaced everywhere."""

from mlkeel.project import Project, Run, Trained, TrainingResult
from mlkeel.training.steps import check, encode, evaluate, fit, split


def train(project: Project, run: Run) -> TrainingResult:
    """Load the table, hold it against its contract, split it, fit a model, evaluate it, publish what came of it."""
    table = project.load(run.path, run.contract)
    check(table, run)
    prepared = encode(split(table, run), project, run)
    model, losses = fit(project.build, prepared, run)
    evaluation = evaluate(model, prepared, project, run)
    return run.publish(prepared, Trained(model, losses, evaluation))
