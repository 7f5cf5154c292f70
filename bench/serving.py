"""Requests a second, single rows over 16 connections: the API, the same server answering a constant, and MLflow.

All three stand side by side and are loaded in turns, so that a slow minute slows them all. It needs `wrk` (Debian's
package of that name). MLflow serves the same ONNX model from an environment of its own.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from common import TOOLS, newborn
from load import free_port, load, served

ROW = {"island": "Biscoe", "bill_length_mm": 48.0, "bill_depth_mm": 14, "flipper_length_mm": 220.0}
ROW |= {"body_mass_g": 5400.0, "sex": None}
ENCODED = {"inputs": [[0.0, 48.0, 14.0, 220.0, 5400.0, 0.0]]}
ROUNDS, SECONDS = 5, 4
CONSTANT = """
from myproj.serve import Predictions
answer = b'{"predicted":"Gentoo","probabilities":{"Adelie":0.0004181313,"Chinstrap":0.0004341267,"Gentoo":0.9991478}}'
Predictions._predicted = lambda *_: answer
from myproj.cli import main
main(["serve"])
"""
SAVE = "import mlflow, onnx, sys; mlflow.onnx.save_model(onnx.load(sys.argv[1]), sys.argv[2])"


def memory(process: subprocess.Popen[bytes]) -> float:
    """Resident megabytes of a server and its children."""
    pids = subprocess.run(["pgrep", "--session", str(process.pid)], check=True, capture_output=True, text=True).stdout
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids.split()]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def mlflow_server(model: Path, folder: Path) -> list[str | Path]:
    """An environment with MLflow, the model in its format, and the command that serves it."""
    subprocess.run([TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    wanted = ["mlflow", "onnx", "onnxruntime"]
    subprocess.run([TOOLS / "uv", "pip", "install", "--quiet", "--python", folder / "venv", *wanted], check=True)
    binaries = folder / "venv" / "bin"
    subprocess.run([binaries / "python", "-c", SAVE, model, folder / "model"], check=True, capture_output=True)
    return [binaries / "mlflow", "models", "serve", "--env-manager", "local", "--model-uri", folder / "model"]


def main() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not here. Install it: apt-get install wrk")
    with newborn() as project, tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        subprocess.run(["make", "train"], cwd=project, check=True, capture_output=True)
        model = project / "artifacts" / (project / "artifacts" / "current").read_text().strip() / "model.onnx"
        python, ports = project / ".venv" / "bin" / "python", [free_port() for _ in range(3)]
        commands: list[tuple[str, list[str | Path], str, object]] = [
            ("the API", [python, "-m", "myproj", "serve"], "/readyz", ROW),
            ("a constant", [python, "-c", CONSTANT], "/readyz", ROW),
            ("MLflow", [*mlflow_server(model, folder), "--port", str(ports[2])], "/ping", ENCODED),
        ]
        urls = [f"http://127.0.0.1:{port}/{'invocations' if port == ports[2] else 'predict'}" for port in ports]
        servers = [
            stack.enter_context(served(command, project, port, alive))
            for (_, command, alive, _), port in zip(commands, ports, strict=True)
        ]
        rounds = [
            [load(url, body, folder, SECONDS) for url, (*_, body) in zip(urls, commands, strict=True)]
            for _ in range(ROUNDS)
        ]
        for place, (name, *_) in enumerate(commands):
            rate = statistics.median(found[place].rate for found in rounds)
            p99 = statistics.median(found[place].p99 for found in rounds)
            size = memory(servers[place])
            print(f"{name}: {rate:,.0f} requests/s, 99th percentile {p99:.2f} ms, {size:.0f} MB")
        api, constant, mlflow = zip(*[[one.rate for one in found] for found in rounds], strict=True)
        share = statistics.median(a / c for a, c in zip(api, constant, strict=True))
        times = statistics.median(a / m for a, m in zip(api, mlflow, strict=True))
        print(f"the API reaches {share:.2f} of a constant (at least 0.8) and {times:.0f} times MLflow (at least 20)")


if __name__ == "__main__":
    main()
