"""Run in an environment of its own: what evidently's presets for drift and classification flag on each day.

Its own defaults decide: a test a column, by the method that it picks for the column, and half of the columns for the
table; an accuracy below that of the reference by more than a tenth. The reference are the rows that the model was
trained on.
"""

import json
import sys
import warnings
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, MulticlassClassification, Report
from evidently.metrics import Accuracy
from evidently.presets import DataDriftPreset
from evidently.tests import Reference, gte

warnings.filterwarnings("ignore")
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
CATEGORIES = ["island", "sex", "species", "predicted_species"]


def main(folder: Path) -> None:
    definition = DataDefinition(
        numerical_columns=NUMBERS,
        categorical_columns=CATEGORIES,
        classification=[MulticlassClassification(target="species", prediction_labels="predicted_species")],
    )

    def read(path: Path) -> Dataset:
        return Dataset.from_pandas(pd.read_csv(path)[NUMBERS + CATEGORIES], data_definition=definition)

    reference = read(folder / "reference.csv")
    report = Report([DataDriftPreset(), Accuracy(tests=[gte(Reference(relative=0.1))])], include_tests=True)
    alarms = {"any": {}, "dataset": {}}
    for path in sorted(folder.glob("*-[0-9][0-9].csv")):
        story = path.stem[:-3]
        tests = report.run(read(path), reference).dict()["tests"]
        failed = [test["name"] for test in tests if test["status"] != "SUCCESS"]
        columns = [name.rpartition(" ")[2] for name in failed if name.startswith("Value Drift")]
        quality = ["quality" for name in failed if name.startswith("Accuracy")]
        alarms["any"].setdefault(story, []).append(columns + quality)
        table_drifted = any(name.startswith("Share of Drifted Columns") for name in failed)
        alarms["dataset"].setdefault(story, []).append(["half of the columns"] if table_drifted else quality)
    print(json.dumps(alarms))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
