"""No request is lost: load behind nginx while a model is taken over and both APIs are stopped and started again.

The nginx is Debian's, with the configuration of the generated project; only names and places in it are this machine's.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from common import generated_project
from load import Load, end_load, free_port, served, start_load

ROW = {"island": "Biscoe", "bill_length_mm": 48.0, "bill_depth_mm": 14, "flipper_length_mm": 220.0}
ROW |= {"body_mass_g": 5400.0, "sex": None}
SECONDS = 60


@dataclass(frozen=True)
class RollOverResult:
    """The result of the load, the exit codes of the servers, and how many used the new model."""

    load: Load
    exits: list[int]
    taken_over: int  # servers with the new model before they were stopped


def roll_over(project: Path, seconds: int, nginx: str = "nginx") -> RollOverResult:
    """Load the APIs of a trained `project` for `seconds`, and meanwhile replace the model and each server."""
    ports = [free_port(), free_port()]
    proxy_port = free_port()
    command: list[str | Path] = [project / ".venv" / "bin" / "python", "-m", "myproj", "serve"]
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o777)  # nginx works as another user
        config = (project / "deploy" / "docker" / "nginx.conf").read_text(encoding="utf-8")
        config = config.replace("listen 8080", f"listen 127.0.0.1:{proxy_port}").replace("/tmp/", f"{folder}/")
        for number, port in enumerate(ports, start=1):
            config = config.replace(f"api-{number}:8000", f"127.0.0.1:{port}")
        (folder / "nginx.conf").write_text(config.replace("/dev/stdout", f"{folder}/access.log"), encoding="utf-8")
        servers = [stack.enter_context(served(command, project, port, "/readyz")) for port in ports]
        proxy: list[str | Path] = [nginx, "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"]
        stack.enter_context(served(proxy, folder, proxy_port, "/healthz"))
        load_process = start_load(f"http://127.0.0.1:{proxy_port}/predict", ROW, folder, seconds)
        time.sleep(seconds / 6)
        version = another_model(project)
        time.sleep(max(seconds / 6, 4))
        taken_over = [version_of(port) for port in ports].count(version)
        exits = []
        for server, port in zip(servers, ports, strict=True):
            time.sleep(seconds / 6)
            server.send_signal(signal.SIGTERM)
            exits.append(server.wait(timeout=15))
            stack.enter_context(served(command, project, port, "/readyz"))
        return RollOverResult(end_load(load_process), exits, taken_over)


def version_of(port: int) -> str:
    """Return the model that a server reports."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=5) as response:
        return str(json.load(response)["artifact"])


def another_model(project: Path) -> str:
    """Make a copy of the current version current, and return its name."""
    current = project / "artifacts" / "current"
    version = f"{current.read_text(encoding='utf-8').strip()}-again"
    shutil.copytree(current.with_name(version.removesuffix("-again")), current.with_name(version))
    (current.parent / "next").write_text(f"{version}\n", encoding="utf-8")
    (current.parent / "next").rename(current)
    return version


def main() -> None:
    if missing := [name for name in ("wrk", "nginx") if shutil.which(name) is None]:
        raise SystemExit(f"{', '.join(missing)} is not here. Install it with apt-get.")
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with generated_project() as project:
        subprocess.run(["make", "train"], cwd=project, check=True, capture_output=True)
        result = roll_over(project, seconds)
    print(
        f"{result.load.requests:,} requests in {seconds} s, {result.load.failed} failed, 99th percentile "
        f"{result.load.p99:.1f} ms; the new model was taken over by {result.taken_over} of 2; "
        f"the servers ended with {result.exits}"
    )


if __name__ == "__main__":
    main()
