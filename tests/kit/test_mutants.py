"""Each fault that is planted into the kit's own code turns its tests red; those of projects are for `prove`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlkeel.faults import class_targets, number_targets
from mlkeel.testing.code_faults import CODE_FAULTS

from .mutants import MUTANTS

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_of_the_kit_is_noticed(name: str) -> None:
    file = HERE / f"test_{MUTANTS[name].file}.py"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
    command += ["-n", "0", str(file)]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    completed = subprocess.run(
        command, env=variables | {"MUTANT": name}, cwd=HERE, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 1, completed.stdout[-2000:]


def test_every_fault_that_was_ever_planted_still_is() -> None:
    """Faults of data and of a project's own code by `prove`, the others here."""
    planted = {fault.name for fault in CODE_FAULTS} | set(MUTANTS)
    assert planted >= {
        *("scaling in training only", "column order changed", "imputation skipped", "codes off by one"),
        *("off-by-one split", "split by place", "train rows in the test set", "contract not enforced"),
        *("gate always open", "frozen weights", "untrained", "stopped after one step", "trained on shuffled labels"),
        *("constant prediction", "answers halved", "other answers for one seed", "answers under other names"),
        *("NaN output", "ONNX differs from the framework", "wrong artifact version"),
    }
    of_data = {fault.__name__ for module in (class_targets, number_targets) for fault in module.CAUGHT_BY_CONTRACT} | {
        fault.__name__ for fault in class_targets.NOT_CAUGHT_BY_CONTRACT
    }
    assert of_data >= {
        *("nulls_over_the_limit", "missing_labels", "swapped_columns", "another_unit", "sign_flip", "stuck_sensor"),
        *("stuck_category", "drifted_column", "decimal_commas", "unseen_category", "other_case", "stray_blanks"),
        *("damaged_encoding", "duplicated_rows", "repeated_identifiers", "truncated_table", "lost_column"),
        *("renamed_column", "further_column", "stale_dates", "cut_texts", "repeated_text", "unknown_label"),
        *("lost_class", "label_imbalance", "leaked_target", "shuffled_labels", "impossible_target"),
        *("target_in_another_unit", "target_as_text", "lost_range"),
    }
