"""Run in a generated project: adopt a table of the traffic, then look at each day of each story as the monitor does."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from mlkeel.adopt.adopt import adopt
from mlkeel.config import read_settings
from mlkeel.data.tables import coerce_dtypes
from mlkeel.inference.batch import predict_table
from mlkeel.inference.predictor import Predictor
from mlkeel.monitor.alarms import RECORDS, judge
from mlkeel.monitor.monitor import FINE, watch
from mlkeel.monitor.window import Window
from mlkeel.registry.artifact import current
from mlkeel.training.reevaluate import reevaluate
from myproj.project import project
from traffic import STORIES, rows

REFERENCE_ROWS = 4000
QUIET_DAYS = 10


def main(days: int, rows_per_day: int, folder: Path) -> None:
    rng = np.random.default_rng(2026)
    source = pd.read_csv("data/penguins.csv").drop(columns="penguin_id")
    table_path = folder / "traffic.csv"
    rows(source, REFERENCE_ROWS, rng).to_csv(table_path, index=False)
    params = Path("conf/params.yaml")  # few birds lack a sex, and their species is hard to predict
    params.write_text(params.read_text().replace("min_slice_score: 0.8", "min_slice_score: 0.5"))
    adopt(project, str(table_path), "species", {}, Path(), lambda _plan: True)
    artifact = current(Path("artifacts"))
    predictor = Predictor.load(artifact)
    settings = read_settings(artifact / "params.yaml")
    reference = reevaluate(project, predictor, settings, Path())[0].table.train
    reference.join(predict_table(predictor, reference).iloc[:, :1]).to_csv(folder / "reference.csv", index=False)
    alarms = {story: [] for story in STORIES}
    first_sight = {story: [] for story in STORIES}
    for story, (change, _, shares) in STORIES.items():
        past = []
        for day in range(days):
            changed = day >= QUIET_DAYS
            table = rows(source, rows_per_day, rng, shares if changed else None)
            table = coerce_dtypes(change(table, rng, day - QUIET_DAYS) if changed else table, predictor.contract)
            predicted = table.join(predict_table(predictor, table).iloc[:, :1])
            predicted.to_csv(folder / f"{story}-{day:02}.csv", index=False)
            window = Window(RECORDS, predicted, predictor.contract.features, predictor.predict(table))
            violations, _ = watch(window, predictor, artifact, settings)
            window_hours = {
                "source": RECORDS,
                "from": f"2026-11-{day + 1:02}T00:00:00Z",
                "to": f"2026-11-{day + 1:02}T23:00:00Z",
            }
            judged = judge(violations, window_hours, artifact.name, past, settings.monitor)
            past.append({"window": window_hours, "artifact": artifact.name, "outcome": FINE, "violations": judged})
            critical = [violation for violation in judged if violation["severity"] == "critical"]
            first_sight[story].append([violation["column"] or violation["check"] for violation in critical])
            alarms[story].append(
                [violation["column"] or violation["check"] for violation in critical if violation["alarm"]]
            )
    changes = {story: QUIET_DAYS if expected else None for story, (_, expected, _) in STORIES.items()}
    expected = {story: name for story, (_, name, _) in STORIES.items()}
    print(json.dumps({"alarms": alarms, "seen": first_sight, "changes": changes, "expected": expected}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
