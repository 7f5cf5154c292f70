from pathlib import Path

import pytest
from mlkeel.contract.suites import Contract, read_contract, read_suite
from mlkeel.errors import ContractError


@pytest.mark.parametrize("name", ["features", "dataset"])
def test_great_expectations_reads_and_writes_the_same_suite(root: Path, name: str) -> None:
    from great_expectations import ExpectationSuite

    suite = read_suite(root / "expectations" / f"{name}.json")
    written = ExpectationSuite(**suite).to_json_dict()["expectations"]
    kept = [{key: item[key] for key in ("type", "kwargs", "severity")} for item in written]
    assert kept == suite["expectations"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("{", "not JSON"), ("[]", "no expectations"), ("{}", "no expectations")],
)
def test_a_suite_that_cannot_be_used_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "features.json").write_text(content, encoding="utf-8")
    with pytest.raises(ContractError, match=f"features.json: .*{message}"):
        read_contract(tmp_path)


def test_a_target_without_a_set_of_classes_is_refused(fruit_contract: Contract) -> None:
    with pytest.raises(ContractError, match='for the column "taste"'):
        fruit_contract.categories("taste")
