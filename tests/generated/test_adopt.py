"""`make adopt` makes a project about other tables, `make prove` catches every fault there, and a kill harms nothing."""

import gzip
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import command, commit, succeed

ROWS = 600
RNG = random.Random(7)


def orders(folder: Path) -> str:
    """CSV as a spreadsheet in Germany writes it: semicolons, decimal commas, days first, Latin-1, compressed."""
    lines = ["Bestellung;Datum;Größe;Preis;Farbe;Geschenk;E-Mail;Bemerkung;Storniert"]
    for number in range(ROWS):
        price = RNG.lognormvariate(3, 0.8)
        size = RNG.gauss(40, 4)
        late = RNG.random() < (0.8 if price > 25 else 0.1)
        lines.append(
            ";".join(
                (
                    f"B-{10_000 + number}",
                    f"{1 + number % 28:02d}.{1 + number % 12:02d}.2021",
                    f"{size:.1f}".replace(".", ",") if RNG.random() > 0.1 else "",
                    f"{price:.2f}".replace(".", ","),
                    RNG.choice(["grün", "weiß", "rot", "rot"]),
                    RNG.choice(["ja", "nein", ""]),
                    f"kunde{number % 90}@example.org",
                    "" if number % 3 else f"Bitte vor dem {number}. Tag an die Tür stellen",
                    "ja" if late else "nein",
                )
            )
        )
    (folder / "orders.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode("latin-1")))
    return "orders.csv.gz"


def machines(folder: Path) -> str:
    """A table of a database: numbers only, three classes of which one is rare, a column that gives the target away."""
    with sqlite3.connect(folder / "factory.db") as connection:
        connection.execute(
            "create table machines (id integer, heat real, speed real, shift int, code text, state text)"
        )
        for number in range(ROWS):
            heat = RNG.gauss(0, 3)
            speed = RNG.gauss(0, 1)
            state = "broken" if heat > 5 else "slow" if speed < -0.3 else "fine"
            values = (number, heat, speed if RNG.random() > 0.2 else None, number % 3, state.upper(), state)
            connection.execute("insert into machines values (?, ?, ?, ?, ?, ?)", values)
    return "sqlite:///factory.db#machines"


def patients(folder: Path) -> str:
    """Many categories, rare ones among them, missing values spelt in several ways, spaces around values."""
    lines = ["patient, ward, pain, self, note, outcome"]
    for number in range(ROWS):
        ward = RNG.choice(["A", "B", "C"] * 9 + ["D"])
        pain = RNG.choice(["none", "mild", "strong", "N/A"])
        deteriorates = RNG.random() < (0.75 if ward == "A" or pain == "strong" else 0.15)
        age = RNG.choice(["?", *map(str, range(20, 90))])
        lines.append(f"{number * 13}, {ward}, {pain}, {age}, same, {'worse' if deteriorates else 'better'}")
    (folder / "patients.csv").write_text("\n".join(lines), encoding="utf-8")
    return "patients.csv"


def adopt(project: Path, env: dict[str, str], *words: str) -> str:
    return succeed("make", "adopt", *words, cwd=project, env=env)


ORDERS = (orders, "Storniert", ["Größe", "Preis", "Farbe", "Geschenk"])


@pytest.mark.parametrize(
    ("table", "target", "features", "proof"),
    [
        (*ORDERS, ["ONLY=data"]),  # the contract is drafted from the table; test_variants.py proves the rest
        pytest.param(*ORDERS, [], marks=pytest.mark.slow),
        pytest.param(machines, "state", ["heat", "speed", "shift"], [], marks=pytest.mark.slow),
        pytest.param(patients, "outcome", ["ward", "pain", "self"], [], marks=pytest.mark.slow),
    ],
    ids=["orders", "all of orders", "machines", "patients"],
)
def test_an_adopted_table_is_green_and_every_fault_is_caught(
    twin: Path,
    offline: dict[str, str],
    table: Callable[[Path], str],
    target: str,
    features: list[str],
    proof: list[str],
) -> None:
    output = adopt(twin, offline, f"DATA={table(twin)}", f"TARGET={target}")
    assert "rejected 0 of 10 held-out samples" in output
    assert "(not:" not in output
    readme = (twin / "README.md").read_text(encoding="utf-8")
    assert f"from {', '.join(f'`{name}`' for name in features)}." in readme
    assert "penguin" not in readme.lower()
    test_output = succeed("make", "test", cwd=twin, env=offline)
    assert not any(word in test_output for word in ("failed", "warning", "xfailed")), test_output
    assert ".py" not in succeed("git", "status", "--porcelain", cwd=twin)  # style and types are as they were
    succeed(".venv/bin/python", "-m", "myproj", "check-features", cwd=twin, env=offline)
    (twin / ".gitignore").open("a", encoding="utf-8").write("*.gz\n*.db\n/patients.csv\n")
    commit(twin, "feat: be about another table")
    prove_output = succeed("make", "prove", *proof, cwd=twin, env=offline)
    assert "planted faults were caught." in prove_output


@pytest.mark.slow  # tests/kit/test_prove.py asks both of these in one process
def test_a_fault_that_nothing_notices_fails_the_proof(twin: Path, offline: dict[str, str]) -> None:
    path = twin / "expectations" / "dataset.json"
    suite = json.loads(path.read_text(encoding="utf-8"))
    weak = ("distinct_values_to_equal_set", "kl_divergence", "quantile")
    suite["expectations"] = [item for item in suite["expectations"] if not any(word in item["type"] for word in weak)]
    path.write_text(json.dumps(suite), encoding="utf-8")
    completed = command("make", "prove", "ONLY=data", cwd=twin, env=offline)
    assert completed.returncode != 0
    assert "MISSED" in completed.stdout
    assert "lost class" in completed.stderr


@pytest.mark.slow
def test_a_proof_needs_green_tests_first(twin: Path, offline: dict[str, str]) -> None:
    test = twin / "tests" / "model" / "test_training.py"
    test.write_text(
        test.read_text(encoding="utf-8") + "\n\ndef test_red() -> None:\n    assert False\n", encoding="utf-8"
    )
    completed = command("make", "prove", "ONLY=code", cwd=twin, env=offline)
    assert "test_red fails without a fault" in completed.stderr


def test_what_cannot_be_adopted_is_refused_in_one_paragraph(
    twin: Path, offline: dict[str, str], tmp_path: Path
) -> None:
    """What else cannot be adopted is in tests/kit/test_adopt.py; this is told last, after a training."""
    table = tmp_path / "noise.csv"
    lines = [f"{number * 7919 % 997},{'ab'[number * 31 % 17 % 2]}" for number in range(300)]
    table.write_text("\n".join(["x,y", *lines]), encoding="utf-8")
    completed = command("make", "adopt", f"DATA={table}", "TARGET=y", cwd=twin, env=offline)
    message = [
        line for line in completed.stderr.splitlines() if not line.startswith("make") and "the split is" not in line
    ]
    assert completed.returncode != 0
    assert len(message) == 1, completed.stderr
    assert message[0].startswith(str(table))
    assert "say too little of y" in message[0]
    assert succeed("git", "status", "--porcelain", cwd=twin) == ""


def test_a_leak_can_be_wanted_from_the_start(twin: Path, offline: dict[str, str], tmp_path: Path) -> None:
    lines = [f"{'oak' if number % 2 else 'birch'},{number % 2},{number * 7919 % 997}" for number in range(200)]
    (tmp_path / "trees.csv").write_text("\n".join(["tree,bark,noise", *lines]), encoding="utf-8")
    words = (f"DATA={tmp_path / 'trees.csv'}", "TARGET=tree")
    assert "too little of tree" in command("make", "adopt", *words, cwd=twin, env=offline).stderr
    adopt(twin, offline, *words, "OPTIONS=--role bark=boolean")
    assert "allow_leaky: [bark]" in (twin / "conf" / "params.yaml").read_text(encoding="utf-8")


def test_names_are_asked_for(generated: Path, offline: dict[str, str]) -> None:
    assert "DATA=my.csv TARGET=label" in command("make", "adopt", cwd=generated, env=offline).stderr


def test_ctrl_c_leaves_the_project_as_it_was(twin: Path, offline: dict[str, str], tmp_path: Path) -> None:
    line = [".venv/bin/python", "-m", "myproj", "adopt", "--yes", "--", str(tmp_path / orders(tmp_path)), "Storniert"]
    process = subprocess.Popen(line, cwd=twin, env=offline, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(twin.glob(".adopting-*/conf")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate()[1]
    assert process.returncode == 130, stderr
    assert stderr.splitlines()[-1] == "Stopped. The project is as it was."
    status = succeed("git", "status", "--porcelain", "--ignored", cwd=twin).splitlines()
    assert [line for line in status if "__pycache__" not in line] == ["!! .venv/", "!! logs/"]


def state(project: Path) -> dict[str, bytes]:
    """What `adopt` replaces, as bytes; the current version counts by whether it is whole."""
    names = ("README.md", "conf/params.yaml", "tests/model/behavior.yaml", "data/README.md")
    files = [*(project / name for name in names), *(project / "expectations").glob("*.json")]
    files += list((project / "data").glob("*.csv"))
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_leaves_the_project_old_or_new(
    twin: Path, offline: dict[str, str], tmp_path: Path, kills: int
) -> None:
    table = tmp_path / orders(tmp_path)
    line = [".venv/bin/python", "-m", "myproj", "adopt", "--yes", "--", str(table), "Storniert"]
    old = state(twin)
    started = time.monotonic()
    succeed(*line, cwd=twin, env=offline)
    duration_s = time.monotonic() - started
    new = state(twin)
    assert old != new
    for moment in range(kills):
        succeed("git", "checkout", "--quiet", "--", ".", cwd=twin)
        succeed("git", "clean", "--quiet", "--force", "data", cwd=twin)
        shutil.rmtree(twin / "artifacts", ignore_errors=True)
        assert state(twin) == old
        # Half of the moments are anywhere, half are in the last part, where files change.
        delay_s = duration_s * (random.uniform(0.1, 1) if moment % 2 else random.uniform(0.9, 1.05))
        process = subprocess.Popen(line, cwd=twin, env=offline, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=delay_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        command(".venv/bin/python", "-m", "myproj", "evaluate", cwd=twin, env=offline)
        assert state(twin) in (old, new)
        assert (twin / "artifacts" / "current").exists() == (state(twin) == new)
