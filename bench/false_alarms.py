"""How often windows in which nothing has changed are flagged, and how often a shift of a quarter deviation is.

Windows are drawn from the rows that the reference was drawn from, which are none of the reference. Flagged means: some
column beyond its limit, at first sight. Beside it, the fixed limits that are in use elsewhere, on the same windows.
"""

import shutil
import subprocess
from pathlib import Path

from common import generated_project

PROGRAM = """
import numpy as np
import pandas as pd
from pathlib import Path
from scipy.stats import ks_2samp
from mlkeel.contract.suites import read_contract
from mlkeel.drift import KL, counts, divergence, drift_suite, limit_of, parameters, reference_shares
from traffic import NUMBERS, rows

DRAWS, REFERENCE = 1000, 4000
source = pd.read_csv("data/penguins.csv").drop(columns="penguin_id")
contract, draw = read_contract(Path("expectations")), np.random.default_rng(2026)
reference = rows(source, REFERENCE, draw)
suite = drift_suite(reference.assign(predicted_species=reference["species"]), contract, "species")
some = reference[NUMBERS].sample(2000, random_state=draw)


def flagged(window):
    limits = parameters(suite, window, 0.01 / 2, 0.02)
    ours = psi = kl = False
    for item in suite["expectations"]:
        values = window[item["kwargs"]["column"]]
        if item["type"] != KL:
            ours |= values.isna().mean() > 1 - limit_of(item, limits)
            continue
        before, seen = reference_shares(item["kwargs"]), counts(values, item["kwargs"]["partition_object"])
        now, smooth = seen / seen.sum(), (seen + 0.5) / (seen + 0.5).sum()
        far = divergence(now, before)
        ours |= far > limit_of(item, limits)
        kl |= far > 0.1
        psi |= ((smooth - before) * np.log(smooth / before)).sum() > 0.1
    return ours, psi, kl


def shares(number, draws, shift):
    found = []
    for _ in range(draws):
        window = rows(source, number, draw)
        window["bill_length_mm"] += shift * source["bill_length_mm"].std()
        window = window.assign(predicted_species=window["species"])
        ks = any(ks_2samp(window[name].dropna(), some[name].dropna()).pvalue < 0.05 for name in NUMBERS)
        found.append((*flagged(window), ks))
    return "  ".join(f"{100 * share:6.1f} %" for share in np.mean(found, axis=0))


print("                                     ours   PSI > 0.1  KL > 0.1  KS at 5 % (numbers)")
for number, draws in ((50, DRAWS), (200, DRAWS), (1000, DRAWS), (100_000, DRAWS)):
    print(f"{number:>7,} rows, nothing changed:   {shares(number, draws, 0)}", flush=True)
for number in (200, 1000, 10_000):
    print(f"{number:>7,} rows, a quarter deviation: {shares(number, DRAWS // 5, 0.25)}", flush=True)
"""


def main() -> None:
    with generated_project() as project:
        shutil.copy(Path(__file__).parent / "traffic.py", project / "traffic.py")
        subprocess.run([project / ".venv" / "bin" / "python", "-c", PROGRAM], cwd=project, check=True)


if __name__ == "__main__":
    main()
