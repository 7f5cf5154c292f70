"""Scores that `make adopt` shows, on made-up tables whose true score is known: 20 of each kind, drawn by seed.

    python bench/honest_splits.py [random]

- Coins: 200 patients with 5 visits each, and a label drawn by coin for each patient. Nothing can be learnt of a new
  patient, so an honest accuracy is 0.5; a table that is refused as chance counts as that.
- Turning: a relation that turns by 90 degrees over the time of the table. An honest accuracy is that of the same model
  on fresh rows of the period of the test split. A table that is refused has no score, and is counted.

With `random`, what a split by chance shows stands beside each.
"""

import csv
import logging
import math
import random
import shutil
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

from common import render, skip_draft_check
from mlkeel.adopt.adopt import AdoptResult, adopt
from mlkeel.adopt.infer_split import parse_split
from mlkeel.errors import InputError

TABLES = 20
VISITS = 5
DAYS = 1500
START = date(2020, 1, 1)
Row = dict[str, Any]
Scored = tuple[str, float | None, float | None]  # the split, the score, and the true one


def coins(seed: int) -> list[Row]:
    """Visits of patients whose label is a coin."""
    rng = random.Random(seed)
    rows = []
    for patient in range(200):
        label = rng.choice(["ill", "well"])
        age = rng.gauss(50, 12)
        pressure = rng.gauss(125, 15)
        weight = rng.gauss(75, 12)
        for _ in range(VISITS):
            rows.append(
                {
                    "patient": f"P{patient:04}",
                    "age": round(age + rng.random(), 1),
                    "pressure": round(pressure + rng.gauss(0, 4), 1),
                    "weight": round(weight + rng.gauss(0, 1), 1),
                    "diagnosis": label,
                }
            )
    rng.shuffle(rows)
    return rows


def turning_row(rng: random.Random, day: float) -> Row:
    """A row of one day, of which a direction that turns decides."""
    angle = math.pi / 2 * day / DAYS
    x = rng.gauss(0, 1)
    y = rng.gauss(0, 1)
    answer = math.cos(angle) * x + math.sin(angle) * y + rng.gauss(0, 0.5) > 0
    moment = START + timedelta(days=int(day))
    return {"made": moment.isoformat(), "x": round(x, 4), "y": round(y, 4), "answer": "yes" if answer else "no"}


def turning(seed: int) -> list[Row]:
    """One row a day, in order."""
    rng = random.Random(seed)
    return [turning_row(rng, day) for day in range(DAYS)]


def write(rows: list[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


class Adopter:
    """Adopts tables in copies of one generated project."""

    def __init__(self, project: Path, folder: Path) -> None:
        self._project = project
        self._folder = folder
        sys.path.insert(0, str(project / "src"))

    def adopt(self, rows: list[Row], target: str, split: str | None) -> tuple[AdoptResult | None, Path]:
        """Adopt `rows`; None if they are refused as chance."""
        from myproj.project import project

        root = self._folder / "copy"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self._project, root, ignore=shutil.ignore_patterns(".venv", ".git", "packages"))
        table = self._folder / "table.csv"
        write(rows, table)
        chosen = parse_split(split) if split else None
        try:
            return adopt(project, str(table), target, {}, root, lambda _: True, force=True, split=chosen), root
        except InputError as error:
            if "from chance" not in str(error):
                raise
            return None, root


def coin_score(adopter: Adopter, seed: int, split: str | None) -> Scored:
    """Return the split, the accuracy that `adopt` shows, and the true one."""
    adopted, _ = adopter.adopt(coins(seed), "diagnosis", split)
    if adopted is None:
        return "refused", 0.5, 0.5
    folds = adopted.outcome.cross_validation
    scores = folds.scores.mean if folds else adopted.evaluation.model
    return described(adopted), scores["accuracy"], 0.5


def turning_score(adopter: Adopter, seed: int, split: str | None) -> Scored:
    """The same, where the true accuracy is that of the model on fresh rows of the period of the test split."""
    import pandas as pd
    from mlkeel.data.time_split import cut, moments_of
    from mlkeel.inference.predictor import Predictor

    rows = turning(seed)
    adopted, root = adopter.adopt(rows, "answer", split)
    if adopted is None:
        return "refused", None, None  # there is no score that could be too good
    settings = adopted.plan.old_settings.data.split
    windows = cut(moments_of(pd.Series([row["made"] for row in rows])), settings.shares)
    first_day = int((windows < 2).sum())
    rng = random.Random(1000 + seed)
    fresh = pd.DataFrame([turning_row(rng, rng.uniform(first_day, DAYS)) for _ in range(20_000)])
    predictor = Predictor.load(root / "artifacts" / adopted.outcome.folder.name)
    answers = [predictor.output_names[position] for position in predictor.predict(fresh).argmax(axis=1)]
    true = float((fresh["answer"].to_numpy() == answers).mean())
    return described(adopted), adopted.evaluation.model["accuracy"], true


def described(adopted: AdoptResult) -> str:
    split = adopted.evaluation.split
    return split.short if split else "unknown"


def main() -> None:
    logging.disable(logging.WARNING)
    kinds = {"coins": coin_score, "turning": turning_score}
    splits = [None, "random"] if "random" in sys.argv[1:] else [None]
    results = defaultdict[tuple[str, str | None], list[Scored]](list)
    with tempfile.TemporaryDirectory() as folder, skip_draft_check():
        adopter = Adopter(render(Path(folder) / "myproj", package="myproj"), Path(folder))
        for seed in range(TABLES):
            for name, split in product(kinds, splits):
                result = kinds[name](adopter, seed, split)
                results[name, split].append(result)
                print(name, seed, *result, flush=True)
    for (name, _), rows in results.items():
        kinds_of_split = ", ".join(f"{count} {kind}" for kind, count in Counter(row[0] for row in rows).items())
        scores = [(score, true) for _, score, true in rows if score is not None and true is not None]
        score, true = (statistics.mean(values) for values in zip(*scores, strict=True))
        error = statistics.stdev(score - true for score, true in scores) / math.sqrt(len(scores))
        off = f"off by {score - true:+.3f} (± {error:.3f})"
        print(f"{name}, {kinds_of_split}: score {score:.3f}, true {true:.3f}, {off}")


if __name__ == "__main__":
    main()
