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

LEARNT = 4000
FIRST = 10  # rows of the table; quiet days


def main(days: int, number: int, folder: Path) -> None:
    draw = np.random.default_rng(2026)
    source = pd.read_csv("data/penguins.csv").drop(columns="penguin_id")
    learnt = folder / "traffic.csv"
    rows(source, LEARNT, draw).to_csv(learnt, index=False)
    params = Path("conf/params.yaml")  # few birds lack a sex, and those are hard to tell
    params.write_text(params.read_text().replace("min_slice_score: 0.8", "min_slice_score: 0.5"))
    adopt(project, str(learnt), "species", {}, Path(), lambda _plan: True)
    artifact = current(Path("artifacts"))
    predictor = Predictor.load(artifact)
    settings = read_settings(artifact / "params.yaml")
    reference = reevaluate(project, predictor, settings, Path())[0].table.train
    reference.join(predict_table(predictor, reference).iloc[:, :1]).to_csv(folder / "reference.csv", index=False)
    alarms = {story: [] for story in STORIES}
    seen = {story: [] for story in STORIES}
    for story, (change, _, shares) in STORIES.items():
        past = []
        for day in range(days):
            changed = day >= FIRST
            table = rows(source, number, draw, shares if changed else None)
            table = coerce_dtypes(change(table, draw, day - FIRST) if changed else table, predictor.contract)
            answered = table.join(predict_table(predictor, table).iloc[:, :1])
            answered.to_csv(folder / f"{story}-{day:02}.csv", index=False)
            window = Window(RECORDS, answered, predictor.contract.features, predictor.predict(table))
            violations, _ = watch(window, predictor, artifact, settings)
            hours = {
                "source": RECORDS,
                "from": f"2026-11-{day + 1:02}T00:00:00Z",
                "to": f"2026-11-{day + 1:02}T23:00:00Z",
            }
            judged = judge(violations, hours, artifact.name, past, settings.monitor)
            past.append({"window": hours, "artifact": artifact.name, "outcome": FINE, "violations": judged})
            critical = [one for one in judged if one["severity"] == "critical"]
            seen[story].append([one["column"] or one["check"] for one in critical])
            alarms[story].append([one["column"] or one["check"] for one in critical if one["alarm"]])
    changes = {story: FIRST if expected else None for story, (_, expected, _) in STORIES.items()}
    expected = {story: name for story, (_, name, _) in STORIES.items()}
    print(json.dumps({"alarms": alarms, "seen": seen, "changes": changes, "expected": expected}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
