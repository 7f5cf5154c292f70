"""How long a warm `make test` of the generated project takes, against importing the libraries that it tests with."""

import subprocess

from common import generated_project, medians

IMPORTS = "import pytest, sklearn, great_expectations, onnxruntime"


def main() -> None:
    with generated_project() as project:
        test_command = ["make", "--silent", "test"]
        import_command = [project / ".venv" / "bin" / "python", "-c", IMPORTS]
        subprocess.run(test_command, cwd=project, check=True, capture_output=True)
        test_seconds, import_seconds = medians(
            lambda: subprocess.run(test_command, cwd=project, check=True, capture_output=True),
            lambda: subprocess.run(import_command, cwd=project, check=True, capture_output=True),
        )
    print(
        f"warm make test: {test_seconds:.2f} s, imports {import_seconds:.2f} s, "
        f"ratio {test_seconds / import_seconds:.2f} (at most 4)"
    )


if __name__ == "__main__":
    main()
