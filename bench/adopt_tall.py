"""How long `adopt` takes for a million rows of mixed columns, and its memory against that of the table in pandas.

The table in memory is what `pandas.read_csv` makes of the file by itself, its texts counted.
"""

import os
import subprocess
import time

from common import generated_project

ROWS = 1_000_000
TABLE = f"""
import numpy as np
import pandas as pd

draw, n = np.random.default_rng(7), {ROWS}
x, colour = draw.normal(size=n), draw.choice(["red", "green", "blue"], n)
noise = draw.normal(size=n)
pd.DataFrame(
    {{
        "id": [f"C{{number:07d}}" for number in range(n)],
        "day": pd.Timestamp("2021-01-01") + pd.to_timedelta(draw.integers(0, 900, n), unit="D"),
        "x": x.round(4),
        "price": np.exp(draw.normal(3, 1, n)).round(2),
        "count": draw.poisson(3, n),
        "half": np.where(draw.random(n) < 0.4, np.nan, draw.gamma(2, 2, n).round(3)),
        "colour": colour,
        "city": draw.choice([f"city {{number}}" for number in range(60)], n),
        "flag": draw.choice(["yes", "no"], n),
        "remark": draw.choice(["all is well", "call me back", ""], n),
        "label": np.where(x + (colour == "red") + noise > 0.5, "good", "bad"),
    }}
).to_csv("tall.csv", index=False)
print(pd.read_csv("tall.csv").memory_usage(deep=True).sum())
"""


def main() -> None:
    with generated_project() as project:
        python = project / ".venv" / "bin" / "python"
        table = int(subprocess.run([python, "-c", TABLE], cwd=project, check=True, capture_output=True).stdout)
        size = (project / "tall.csv").stat().st_size
        started = time.perf_counter()
        line = [python, "-m", "myproj", "adopt", "--yes", "--", "tall.csv", "label"]
        adopting = subprocess.Popen(line, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(adopting.pid, 0)
        taken = time.perf_counter() - started
        peak = usage.ru_maxrss * 1024
        if status:
            raise SystemExit("adopt failed")
    print(
        f"adopt, {ROWS:,} rows: {taken:.0f} s (at most 60); peak {peak / 1e6:.0f} MB, {peak / table:.1f} times the "
        f"table in memory, {table / 1e6:.0f} MB (at most 6), and {peak / size:.1f} times the file, {size / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
