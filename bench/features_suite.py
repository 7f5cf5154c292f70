"""How long the features suite takes on a million rows, against the same checks by hand in pandas.

By hand means as one would write it: each column's type, its share of present values, and whether these values lie
in the range or set that the suite names. It stops at yes or no, and so does the suite while nothing is broken.
"""

import subprocess

from common import generated_project

PROGRAM = """
import statistics, time
from pathlib import Path
import numpy as np
from mlkeel.contract.suites import read_contract
from mlkeel.data.tables import load
from mlkeel.contract.validate import check

ROWS = 1_000_000
contract = read_contract(Path("expectations"))
table = load(Path("data/penguins.csv"), contract)
table = table.iloc[np.random.default_rng(7).integers(0, len(table), ROWS)].reset_index(drop=True)


def by_hand(table):
    passed = []
    for item in contract.features["expectations"]:
        kind = item["type"]
        kwargs = item["kwargs"]
        if kind == "expect_table_columns_to_match_set":
            passed.append(set(kwargs["column_set"]) <= set(table.columns))
        elif kind == "expect_table_row_count_to_be_between":
            passed.append(len(table) >= kwargs["min_value"])
        else:
            values = table[kwargs["column"]]
            if kind == "expect_column_type_to_be":
                passed.append(str(values.dtype) == kwargs["type_"])
            elif kind == "expect_column_values_to_not_be_null":
                passed.append(values.notna().mean() >= kwargs.get("mostly", 1))
            elif kind == "expect_column_values_to_be_between":
                in_range = values.dropna().between(kwargs["min_value"], kwargs["max_value"])
                passed.append(in_range.mean() >= kwargs.get("mostly", 1))
            elif kind == "expect_column_values_to_be_in_set":
                passed.append(values.dropna().isin(kwargs["value_set"]).mean() >= kwargs.get("mostly", 1))
            else:
                raise NotImplementedError(kind)
    return passed


def by_suite(table):
    return [result.passed for result in check(table, contract.features)]


assert by_hand(table) == by_suite(table) == [True] * len(contract.features["expectations"])
durations = {by_hand: [], by_suite: []}
for _ in range(5):
    for function in durations:
        start = time.perf_counter()
        function(table)
        durations[function].append(time.perf_counter() - start)
hand = statistics.median(durations[by_hand])
suite = statistics.median(durations[by_suite])
print(f"features suite on {ROWS:,} rows: {suite:.3f} s, by hand {hand:.3f} s, ratio {suite / hand:.2f} (at most 2)")
"""


def main() -> None:
    with generated_project() as project:
        subprocess.run([project / ".venv" / "bin" / "python", "-c", PROGRAM], cwd=project, check=True)


if __name__ == "__main__":
    main()
