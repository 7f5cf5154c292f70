"""Turn the hint of an error into an instruction, for use by make or for a command that a person typed."""

import os

from mlkeel.errors import Hint

BY_MAKE = {
    Hint.TRAIN: "Make a version with: make train",
    Hint.SETUP: "Make the environment with: make setup",
    Hint.CONTRACT: "Draft them anew with: make contract",
    Hint.CHOOSE_VERSION: "make versions shows the versions; make promote VERSION=... makes one current.",
    Hint.OTHER_TABLE: "Say where the table is with DATA=.",
    Hint.OTHER_TARGET: "Another column can be chosen with TARGET=.",
    Hint.OTHER_ROLE: "A decision that is wrong is overruled with OPTIONS='--role column=role'.",
    Hint.PROTECTED: "To compare its groups, and not to learn from it: OPTIONS='--protected column'.",
    Hint.OVERWRITE: "Or go on with OPTIONS=--force, which keeps copies.",
    Hint.OTHER_GOAL: "Choose another file with OUT=.",
    Hint.LONGER_WINDOW: 'Or ask for a longer one with OPTIONS="--hours 24".',
    Hint.STANDARD_INPUT: "Or read what is there: gunzip -c FILE | make top-requests LOG=/dev/stdin",
}
BY_HAND = {
    Hint.TRAIN: "Make a version with: {program} train",
    Hint.SETUP: "Make the environment with: uv sync",
    Hint.CONTRACT: "Draft them anew with: {program} contract",
    Hint.CHOOSE_VERSION: "{program} versions shows the versions; {program} promote VERSION makes one current.",
    Hint.OTHER_TABLE: "Say where the table is: {program} adopt TABLE TARGET",
    Hint.OTHER_TARGET: "Another column can be chosen as the target.",
    Hint.OTHER_ROLE: "A decision that is wrong is overruled with --role column=role.",
    Hint.PROTECTED: "To compare its groups, and not to learn from it: --protected column.",
    Hint.OVERWRITE: "Or go on with --force, which keeps copies.",
    Hint.OTHER_GOAL: "Choose another file.",
    Hint.LONGER_WINDOW: "Or ask for a longer one with --hours 24.",
    Hint.STANDARD_INPUT: "Or read what is there: gunzip -c FILE | {program} top-requests /dev/stdin",
}


def instruction(hint: Hint, package: str | None) -> str:
    """Return the instruction of `hint`, for the commands of `package` or those that need no project."""
    if called_by_make():
        return BY_MAKE[hint]
    if hint is Hint.TRAIN and package is None:
        return "Train one in its project, and bring its folder artifacts/ here."
    return BY_HAND[hint].format(program=f"python -m {package or 'mlkeel'}")


def called_by_make() -> bool:
    """Return whether a target of make runs this process."""
    return "MAKELEVEL" in os.environ


def promote_command(version: str, package: str) -> str:
    """Return the command that makes `version` current."""
    return f"make promote VERSION={version}" if called_by_make() else f"python -m {package} promote {version}"
