"""Start the command line of this project."""

from mlkeel.cli.app import main

from .project import project


def run() -> None:
    """Run the command that was typed."""
    main(project)


if __name__ == "__main__":
    run()
