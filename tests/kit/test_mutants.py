"""Each fault that is planted into the kit's own code turns its tests red; those of projects are for `prove`."""

import re
from pathlib import Path

import pytest
from mlkeel.faults import class_targets, number_targets
from mlkeel.testing.code_faults import CODE_FAULTS

from .mutants import MUTANTS
from .reruns import HERE, rerun


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_of_the_kit_is_noticed(name: str, tmp_path: Path) -> None:
    code = rerun(tmp_path / "output", str(HERE / f"test_{MUTANTS[name].file}.py"), MUTANT=name)
    output = (tmp_path / "output").read_text(encoding="utf-8")
    assert code == pytest.ExitCode.TESTS_FAILED, output[-2000:]
    assert re.search("1 (failed|error)", output), output[-2000:]  # a crash ends with 1 as well


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
