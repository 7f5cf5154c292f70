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

from common import TOOLS, generated_project
from load import free_port, load, served

ROW = {"island": "Biscoe", "bill_length_mm": 48.0, "bill_depth_mm": 14, "flipper_length_mm": 220.0}
ROW |= {"body_mass_g": 5400.0, "sex": None}
RECORDS = {"dataframe_records": [ROW | {"sex": "male"}]}
PACKED = {"inputs": {"numbers": [[48.0, 14.0, 220.0, 5400.0]], "texts": [["Biscoe", ""]]}}
ROUNDS = 5
SECONDS = 4
CONSTANT = """
from mlkeel.serve.predictions import Predicted, Predictions
body = b'{"predicted":"Gentoo","probabilities":{"Adelie":0.0004181313,"Chinstrap":0.0004341267,"Gentoo":0.9991478}}'
Predictions._predicted = lambda *_: Predicted(body, 1, "", None)
from mlkeel.cli.app import main
main(None, ["serve"])
"""
# What MLflow usually serves: the model of the framework behind the pandas that encodes its rows.
SAVE = """
import sys, mlflow, onnx, pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

table, graph, target = sys.argv[1:]
rows = pd.read_csv(table).drop(columns="penguin_id")
encoder = make_column_transformer(
    (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["island", "sex"]), remainder="passthrough"
)
trees = HistGradientBoostingClassifier(max_iter=150, max_leaf_nodes=8, min_samples_leaf=5, l2_regularization=1.0)
model = make_pipeline(encoder, trees).fit(rows.drop(columns="species"), rows["species"])
mlflow.sklearn.save_model(model, f"{target}/sklearn", serialization_format="cloudpickle")
mlflow.onnx.save_model(onnx.load(graph), f"{target}/onnx")
"""


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the resident megabytes of a server and its children."""
    pids = subprocess.run(["pgrep", "--session", str(process.pid)], check=True, capture_output=True, text=True).stdout
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids.split()]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def mlflow_command(project: Path, graph: Path, folder: Path) -> list[str | Path]:
    """Set up MLflow, with models in its formats, under `folder`; return the command that serves a model."""
    subprocess.run([TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    packages = ["mlflow", "onnx", "onnxruntime", "scikit-learn"]
    subprocess.run([TOOLS / "uv", "pip", "install", "--quiet", "--python", folder / "venv", *packages], check=True)
    binaries = folder / "venv" / "bin"
    save = [binaries / "python", "-c", SAVE, project / "data" / "penguins.csv", graph, folder]
    subprocess.run(save, check=True, capture_output=True)
    path = f"PATH={binaries}:{os.environ['PATH']}"  # it starts its uvicorn by name
    return ["env", path, binaries / "mlflow", "models", "serve", "--env-manager", "local"]


def main() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not here. Install it: apt-get install wrk")
    with generated_project() as project, tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        subprocess.run(["make", "train"], cwd=project, check=True, capture_output=True)
        model = project / "artifacts" / (project / "artifacts" / "current").read_text().strip() / "model.onnx"
        python = project / ".venv" / "bin" / "python"
        mlflow = mlflow_command(project, model, folder)
        servers: list[tuple[str, list[str | Path], str, str, object]] = [
            ("the API", [python, "-m", "myproj", "serve"], "/readyz", "/predict", ROW),
            ("a constant", [python, "-c", CONSTANT], "/readyz", "/predict", ROW),
            ("MLflow", [*mlflow, "--model-uri", folder / "sklearn"], "/ping", "/invocations", RECORDS),
            ("MLflow, ONNX", [*mlflow, "--model-uri", folder / "onnx"], "/ping", "/invocations", PACKED),
        ]
        processes = []
        for _, command, health_path, path, body in servers:
            port = free_port()
            full_command = [*command, "--port", str(port)] if command[0] == "env" else command
            process = stack.enter_context(served(full_command, project, port, health_path))
            processes.append((process, f"http://127.0.0.1:{port}{path}", body))
        rounds = [[load(url, body, folder, SECONDS) for _, url, body in processes] for _ in range(ROUNDS)]
        for index, (name, *_) in enumerate(servers):
            rate = statistics.median(loads[index].rate for loads in rounds)
            p99 = statistics.median(loads[index].p99 for loads in rounds)
            rate_ratio = statistics.median(loads[0].rate / loads[index].rate for loads in rounds)
            size = memory(processes[index][0])
            print(
                f"{name}: {rate:,.0f} requests/s, 99th percentile {p99:.2f} ms, {size:.0f} MB; "
                f"the API has {rate_ratio:.2f} times its rate"
            )
        print("Asked: of a constant at least 0.8, of MLflow at least 20.")


if __name__ == "__main__":
    main()
