"""How long a warm `make test` of the generated project takes, against importing the libraries that it tests with."""

import subprocess

from common import generated_project, medians

IMPORTS = "import pytest, sklearn, great_expectations, onnxruntime"


def main() -> None:
    with generated_project() as project:
        run = ["make", "--silent", "test"]
        load = [project / ".venv" / "bin" / "python", "-c", IMPORTS]
        subprocess.run(run, cwd=project, check=True, capture_output=True)
        of_tests, of_imports = medians(
            lambda: subprocess.run(run, cwd=project, check=True, capture_output=True),
            lambda: subprocess.run(load, cwd=project, check=True, capture_output=True),
        )
    print(
        f"warm make test: {of_tests:.2f} s, imports {of_imports:.2f} s, ratio {of_tests / of_imports:.2f} (at most 4)"
    )


if __name__ == "__main__":
    main()
