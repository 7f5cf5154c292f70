"""How often windows in which nothing has changed are flagged, and how often a shift of a quarter deviation is.

Windows are drawn from the rows that the reference was drawn from, which are none of the reference. Flagged means: some
column beyond its limit, in this window alone. Compared with the fixed limits that are common elsewhere.
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

WINDOWS = 1000
REFERENCE_ROWS = 4000
source = pd.read_csv("data/penguins.csv").drop(columns="penguin_id")
contract = read_contract(Path("expectations"))
rng = np.random.default_rng(2026)
reference = rows(source, REFERENCE_ROWS, rng)
suite = drift_suite(reference.assign(predicted_species=reference["species"]), contract, "species")
ks_reference = reference[NUMBERS].sample(2000, random_state=rng)


def flagged(window):
    limits = parameters(suite, window, 0.01 / 2, 0.02)
    suite_flags = False
    psi_flags = False
    kl_flags = False
    for item in suite["expectations"]:
        values = window[item["kwargs"]["column"]]
        if item["type"] != KL:
            suite_flags |= values.isna().mean() > 1 - limit_of(item, limits)
            continue
        expected = reference_shares(item["kwargs"])
        observed = counts(values, item["kwargs"]["partition_object"])
        smoothed = (observed + 0.5) / (observed + 0.5).sum()
        distance = divergence(observed / observed.sum(), expected)
        suite_flags |= distance > limit_of(item, limits)
        kl_flags |= distance > 0.1
        psi_flags |= ((smoothed - expected) * np.log(smoothed / expected)).sum() > 0.1
    return suite_flags, psi_flags, kl_flags


def shares(n_rows, n_windows, shift):
    flags = []
    for _ in range(n_windows):
        window = rows(source, n_rows, rng)
        window["bill_length_mm"] += shift * source["bill_length_mm"].std()
        window = window.assign(predicted_species=window["species"])
        ks_flags = any(ks_2samp(window[name].dropna(), ks_reference[name].dropna()).pvalue < 0.05 for name in NUMBERS)
        flags.append((*flagged(window), ks_flags))
    return "  ".join(f"{100 * share:6.1f} %" for share in np.mean(flags, axis=0))


print("                                     ours   PSI > 0.1  KL > 0.1  KS at 5 % (numbers)")
for n_rows in (50, 200, 1000, 100_000):
    print(f"{n_rows:>7,} rows, nothing changed:   {shares(n_rows, WINDOWS, 0)}", flush=True)
for n_rows in (200, 1000, 10_000):
    print(f"{n_rows:>7,} rows, a quarter deviation: {shares(n_rows, WINDOWS // 5, 0.25)}", flush=True)
"""


def main() -> None:
    with generated_project() as project:
        shutil.copy(Path(__file__).parent / "traffic.py", project / "traffic.py")
        subprocess.run([project / ".venv" / "bin" / "python", "-c", PROGRAM], cwd=project, check=True)


if __name__ == "__main__":
    main()
