"""What recording costs: single rows over 16 connections, with records in SQLite, in none, and in none again.

The servers stand side by side and are loaded in turns, so that a slow minute slows them all; what two servers without
records differ by is what the machine does to such a figure. It needs `wrk` (Debian's package of that name). An address
of a PostgreSQL as argument adds it.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from common import generated_project
from load import free_port, load, served

ROW = {"island": "Biscoe", "bill_length_mm": 48.0, "bill_depth_mm": 14, "flipper_length_mm": 220.0}
ROW |= {"body_mass_g": 5400.0, "sex": None}
ROUNDS = 9
SECONDS = 4


def told(port: int, name: str) -> int:
    """A number that a server tells Prometheus; 0 if it does not."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        found = re.search(rf"^{name} (\S+)", answer.read().decode(), flags=re.MULTILINE)
    return int(float(found[1])) if found else 0


def seconds_of(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Seconds of a processor that each thread of a server has taken."""
    tick = os.sysconf("SC_CLK_TCK")
    taken = {}
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        taken[task.name] = (int(fields[11]) + int(fields[12])) / tick
    return taken


def main() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not here. Install it: apt-get install wrk")
    stores = {"no records": "off", "no records again": "off", "SQLite": ""}
    if len(sys.argv) > 1:
        stores["PostgreSQL"] = sys.argv[1]
    with generated_project() as project, tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        started = []
        subprocess.run(["make", "train"], cwd=project, check=True, capture_output=True)
        python = project / ".venv" / "bin" / "python"
        for store in stores.values():
            port = free_port()
            command: list[str | Path] = ["env", f"API_STORE={store}", python, "-m", "myproj", "serve"]
            started.append((stack.enter_context(served(command, project, port, "/readyz")), port))
        before = [seconds_of(process) for process, _ in started]
        urls = [f"http://127.0.0.1:{port}/predict" for _, port in started]
        rounds = [[load(url, ROW, folder, SECONDS) for url in urls] for _ in range(ROUNDS)]
        for place, (name, (process, port)) in enumerate(zip(stores, started, strict=True)):
            own = [found[place] for found in rounds]
            rate = statistics.median(one.rate for one in own)
            p99 = statistics.median(one.p99 for one in own)
            more = statistics.median(found[place].rate / found[0].rate for found in rounds)
            later = statistics.median(found[place].p99 / found[0].p99 for found in rounds)
            after = seconds_of(process)
            requests = sum(one.requests for one in own)
            main_thread = (after[str(process.pid)] - before[place][str(process.pid)]) / requests
            all_threads = (sum(after.values()) - sum(before[place].values())) / requests
            lost = told(port, "api_records_dropped_total")
            print(
                f"{name}: {rate:,.0f} requests/s ({more:.3f}), 99th percentile {p99:.2f} ms ({later:.3f}), a request "
                f"takes {main_thread * 1e6:.1f} µs of the thread that answers, {all_threads * 1e6:.1f} µs of all; "
                f"{told(port, 'api_records_written_total'):,} rows stored, {lost:,} dropped"
            )
        print("Asked: at least 0.9 of the rate and at most 1.1 of the percentile without records.")


if __name__ == "__main__":
    main()
