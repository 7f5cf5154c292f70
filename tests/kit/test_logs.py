import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlkeel.errors import InputError
from mlkeel.logs import configure


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    before = logging.root.handlers[:]
    level = logging.root.level
    yield
    for handler in set(logging.root.handlers) - set(before):
        handler.close()
    logging.root.handlers[:] = before
    logging.root.setLevel(level)


def test_importing_the_package_configures_nothing() -> None:
    program = "import logging; import mlkeel.cli.app; print(logging.root.handlers)"
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[]"


def test_errors_go_to_both_files_and_information_to_one(project: Path) -> None:
    configure(project, "console")
    logging.getLogger("a").info("the table was read")
    logging.getLogger("a").error("the disk is full")
    assert (project / "logs" / "info.log").read_text(encoding="utf-8").count("\n") == 2
    assert "the disk is full" in (project / "logs" / "error.log").read_text(encoding="utf-8")
    assert "the table was read" not in (project / "logs" / "error.log").read_text(encoding="utf-8")


def test_files_are_rotated(project: Path) -> None:
    configure(project, "console")
    rotating = [handler for handler in logging.root.handlers if hasattr(handler, "maxBytes")]
    assert len(rotating) == 2
    assert all(handler.maxBytes > 0 and handler.backupCount > 0 for handler in rotating)


def test_json_is_one_object_a_line_and_no_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(project, "json")
    logging.getLogger("a").info("first\nwith a second line", extra={"rows": 3})
    logging.getLogger("a").warning("then")
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["level"] for record in records] == ["INFO", "WARNING"]
    assert records[0]["rows"] == 3
    assert not (project / "logs").exists()


def test_the_environment_chooses_the_output(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    configure(project)
    assert not (project / "logs").exists()


def test_an_unknown_output_is_refused(project: Path) -> None:
    with pytest.raises(InputError, match='LOG_FORMAT is "xml"'):
        configure(project, "xml")
