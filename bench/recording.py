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


def metric_value(port: int, name: str) -> int:
    """Return the value of a Prometheus metric of a server, or 0 if it has none."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        match = re.search(rf"^{name} (\S+)", response.read().decode(), flags=re.MULTILINE)
    return int(float(match[1])) if match else 0


def seconds_of(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Return the CPU seconds of each thread of a server."""
    tick = os.sysconf("SC_CLK_TCK")
    durations = {}
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        durations[task.name] = (int(fields[11]) + int(fields[12])) / tick
    return durations


def main() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not here. Install it: apt-get install wrk")
    stores = {"no records": "off", "no records again": "off", "SQLite": ""}
    if len(sys.argv) > 1:
        stores["PostgreSQL"] = sys.argv[1]
    with generated_project() as project, tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        servers = []
        subprocess.run(["make", "train"], cwd=project, check=True, capture_output=True)
        python = project / ".venv" / "bin" / "python"
        for store in stores.values():
            port = free_port()
            command: list[str | Path] = ["env", f"API_STORE={store}", python, "-m", "myproj", "serve"]
            servers.append((stack.enter_context(served(command, project, port, "/readyz")), port))
        before = [seconds_of(process) for process, _ in servers]
        urls = [f"http://127.0.0.1:{port}/predict" for _, port in servers]
        rounds = [[load(url, ROW, folder, SECONDS) for url in urls] for _ in range(ROUNDS)]
        for index, (name, (process, port)) in enumerate(zip(stores, servers, strict=True)):
            results = [loads[index] for loads in rounds]
            rate = statistics.median(result.rate for result in results)
            p99 = statistics.median(result.p99 for result in results)
            rate_ratio = statistics.median(loads[index].rate / loads[0].rate for loads in rounds)
            p99_ratio = statistics.median(loads[index].p99 / loads[0].p99 for loads in rounds)
            after = seconds_of(process)
            requests = sum(result.requests for result in results)
            main_thread = (after[str(process.pid)] - before[index][str(process.pid)]) / requests
            all_threads = (sum(after.values()) - sum(before[index].values())) / requests
            dropped = metric_value(port, "api_records_dropped_total")
            print(
                f"{name}: {rate:,.0f} requests/s ({rate_ratio:.3f}), 99th percentile {p99:.2f} ms ({p99_ratio:.3f}), "
                f"a request takes {main_thread * 1e6:.1f} µs of the thread that answers, {all_threads * 1e6:.1f} µs of "
                f"all; {metric_value(port, 'api_records_written_total'):,} rows stored, {dropped:,} dropped"
            )
        print("Asked: at least 0.9 of the rate and at most 1.1 of the percentile without records.")


if __name__ == "__main__":
    main()
