"""How long `adopt` takes for a million rows of mixed columns, and its memory against that of the table in pandas.

The table in memory is what `pandas.read_csv` makes of the file with its defaults, strings counted.
"""

import os
import subprocess
import time

from common import generated_project

ROWS = 1_000_000
TABLE = f"""
import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
n = {ROWS}
x = rng.normal(size=n)
color = rng.choice(["red", "green", "blue"], n)
noise = rng.normal(size=n)
pd.DataFrame(
    {{
        "id": [f"C{{number:07d}}" for number in range(n)],
        "day": pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
        "x": x.round(4),
        "price": np.exp(rng.normal(3, 1, n)).round(2),
        "count": rng.poisson(3, n),
        "half": np.where(rng.random(n) < 0.4, np.nan, rng.gamma(2, 2, n).round(3)),
        "color": color,
        "city": rng.choice([f"city {{number}}" for number in range(60)], n),
        "flag": rng.choice(["yes", "no"], n),
        "remark": rng.choice(["all is well", "call me back", ""], n),
        "label": np.where(x + (color == "red") + noise > 0.5, "good", "bad"),
    }}
).to_csv("tall.csv", index=False)
print(pd.read_csv("tall.csv").memory_usage(deep=True).sum())
"""


def main() -> None:
    with generated_project() as project:
        python = project / ".venv" / "bin" / "python"
        table = int(subprocess.run([python, "-c", TABLE], cwd=project, check=True, capture_output=True).stdout)
        size = (project / "tall.csv").stat().st_size
        start = time.perf_counter()
        command = [python, "-m", "myproj", "adopt", "--yes", "--", "tall.csv", "label"]
        process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        duration = time.perf_counter() - start
        peak = usage.ru_maxrss * 1024
        if status:
            raise SystemExit("adopt failed")
    print(
        f"adopt, {ROWS:,} rows: {duration:.0f} s (at most 60); peak {peak / 1e6:.0f} MB, {peak / table:.1f} times the "
        f"table in memory, {table / 1e6:.0f} MB (at most 6), and {peak / size:.1f} times the file, {size / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
