"""The commands that adopt another table, and that prove that the tests catch faults."""

import logging
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mlkeel.cli.console import console, show, show_rival
from mlkeel.cli.hints import instruction
from mlkeel.cli.session import session_of
from mlkeel.contract.messages import summarize
from mlkeel.errors import Hint, InputError
from mlkeel.progress import progress

if TYPE_CHECKING:
    from mlkeel.adopt.adopt import AdoptResult, Plan
    from mlkeel.config import Role

logger = logging.getLogger(__name__)


def adopt(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            envvar="ASKED_DATA",
            show_envvar=False,
            help="CSV, Parquet, or the URL of a database with #table at its end.",
        ),
    ],
    target: Annotated[str, typer.Argument(envvar="ASKED_TARGET", show_envvar=False, help="The column to predict.")],
    id_: Annotated[
        str | None, typer.Option("--id", envvar="ASKED_ID", show_envvar=False, help="The column that names a record.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(envvar="ASKED_TIME", show_envvar=False, help="The column that says when a record was made."),
    ] = None,
    weight: Annotated[
        str | None, typer.Option(help="The column that says how much a record counts in training.")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="column=role, for a decision that is wrong; repeatable.")
    ] = None,
    protected: Annotated[
        list[str] | None,
        typer.Option(help="A column whose groups are compared and which is not learnt from; repeatable."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="BY",
            help="random, stratified, group:column, time:column, group_time:column,column or given:column, for a "
            "split that is wrong.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that have uncommitted changes.")] = False,
) -> None:
    """Make this project about another table: settings, contract, behaviour, model."""
    from mlkeel.adopt.adopt import adopt as run
    from mlkeel.adopt.infer_roles import parse_roles
    from mlkeel.adopt.infer_split import parse_split
    from mlkeel.report.tables import decisions_table

    session = session_of(context)
    overrides: dict[str, Role] = dict.fromkeys(protected or [], "protected")
    overrides |= parse_roles(role or [])
    overrides |= {id_: "identifier"} if id_ else {}
    overrides |= {time: "time"} if time else {}
    overrides |= {weight: "weight"} if weight else {}
    chosen_split = parse_split(split) if split else None

    def confirm(plan: "Plan") -> bool:
        console().print(decisions_table(plan.decisions, f"{plan.origin}, {plan.rows:,} rows"))
        logger.info("%s: the split is %s, as %s.", plan.origin, plan.split.phrase, plan.split.reason)
        if plan.split.remark:
            logger.info("%s: %s.", plan.origin, plan.split.remark)
        for note in plan.notes:
            logger.info("%s: %s.", plan.origin, note)
        if personal := [name for name, decision in plan.decisions.items() if decision.role == "personal"]:
            logger.warning("%s: personal data. Think before you commit %s.", ", ".join(personal), plan.path)
        if names := plan.may_be_protected:
            logger.info(
                "%s: protected attributes by their names, if rows are about people. %s",
                ", ".join(names),
                instruction(Hint.PROTECTED, session.project.package),
            )
        must_ask = sys.stdin.isatty() and not yes and not dry_run
        return not must_ask or typer.confirm(
            "Replace the project's table, settings, contract and behaviour?", default=True
        )

    try:
        adopted = run(
            session.project,
            source,
            target,
            overrides,
            session.root,
            confirm,
            force=force,
            dry_run=dry_run,
            split=chosen_split,
        )
    except KeyboardInterrupt:
        logger.error("Stopped. The project is as it was.")
        raise typer.Exit(130) from None
    if adopted is None:
        logger.info("Nothing was changed.")
        return
    _show_result(adopted)
    if dry_run:
        logger.info("Nothing was changed: this was a dry run.")
    else:
        logger.info("The project is about %s now. Look at git diff, run the tests, and commit.", adopted.plan.path)


def _show_result(adopted: "AdoptResult") -> None:
    from mlkeel.report.tables import changes_table

    show(adopted.evaluation, adopted.outcome.cross_validation)
    show_rival(adopted.outcome.rival)
    console().print(changes_table(adopted.changes))
    logger.info("%s", adopted.draft_check.sentence)
    for note in adopted.notes:
        logger.warning("%s.", note)
    if adopted.outcome.failures:
        logger.warning(
            "The model is kept, and not made current. %s",
            summarize(adopted.outcome.failures, f"artifacts/{adopted.outcome.folder.name}/MODEL_CARD.md"),
        )
    if any(path.name == ".gitignore" for path in adopted.changes):
        logger.info("%s is large and kept out of git; data/.gitignore says so.", adopted.plan.path)
    if adopted.open_questions:
        logger.info("data/README.md asks %s questions that only a person can answer.", adopted.open_questions)
    if adopted.copies:
        logger.info("Copies of what git did not have are in %s.", adopted.copies)


def prove(
    context: typer.Context,
    only: Annotated[
        str | None, typer.Option(envvar="ASKED_ONLY", show_envvar=False, help="One of data, code and model.")
    ] = None,
) -> None:
    """Plant faults into data, code and model, one at a time, and see that the tests catch each."""
    from mlkeel.report.tables import proof_table
    from mlkeel.testing.prove import PARTS
    from mlkeel.testing.prove import prove as run

    if only not in (None, *PARTS):
        raise InputError(f"--only {only}: there is no such part. Choose one of {', '.join(PARTS)}.")
    session = session_of(context)
    with progress("Planting", 45) as advance:
        proofs = []
        for proof in run(session.project, session.root.resolve(), (only,) if only else PARTS):
            proofs.append(proof)
            advance(len(proofs), None)
    console().print(proof_table(proofs))
    planted = [proof for proof in proofs if proof.caught_by is not None]
    missed = [proof.fault for proof in planted if not proof.caught_by]
    crashed = [proof.fault for proof in proofs if proof.crash is not None]
    if missed:
        logger.error("%s of %s planted faults were missed: %s.", len(missed), len(planted), ", ".join(missed))
    if crashed:
        logger.error(
            "%s could not be planted, so no test was tried with them: %s. What they change is not what they expect.",
            len(crashed),
            ", ".join(crashed),
        )
    if missed or crashed:
        raise typer.Exit(1)
    logger.info("All %s planted faults were caught.", len(planted))
