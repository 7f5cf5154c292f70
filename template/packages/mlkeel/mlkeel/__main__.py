"""The commands that need no project: they answer with the versions of a model in a folder."""

from mlkeel.cli.app import main

if __name__ == "__main__":
    main()
