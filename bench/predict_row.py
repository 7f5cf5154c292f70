"""How long a prediction for one row takes in process, with the artifact loaded."""

import subprocess

from common import generated_project

PROGRAM = """
import statistics, time
from pathlib import Path
from mlkeel.registry.artifact import current
from mlkeel.inference.predictor import Predictor

predictor = Predictor.load(current(Path("artifacts")))
row = dict(island="Biscoe", bill_length_mm=48.0, bill_depth_mm=14.0, flipper_length_mm=220.0, body_mass_g=5400.0)
row["sex"] = None
durations = []
for _ in range(5000):
    start = time.perf_counter()
    predictor.predict_row(row)
    durations.append(time.perf_counter() - start)
print(f"one row: median {statistics.median(durations) * 1000:.4f} ms (at most 0.2), 99th percentile "
      f"{statistics.quantiles(durations, n=100)[-1] * 1000:.4f} ms")
"""


def main() -> None:
    with generated_project() as project:
        subprocess.run(["make", "train"], cwd=project, check=True, capture_output=True)
        subprocess.run([project / ".venv" / "bin" / "python", "-c", PROGRAM], cwd=project, check=True)


if __name__ == "__main__":
    main()
