"""Nothing that was tested is lost: each test of before is where the ledger says that it is, or is gone for a reason."""

import re
from functools import cache
from pathlib import Path

import pytest

from ..conftest import ROOT

GONE = "gone: "
LINES = [line.split("\t") for line in Path(__file__).with_name("ledger.tsv").read_text("utf-8").splitlines()]


@cache
def defined_in(file: str) -> frozenset[str]:
    path = ROOT / file
    text = path.read_text("utf-8") if path.is_file() else ""
    return frozenset(re.findall(r"^\s*(?:async )?def (test_\w+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("file", sorted({old.partition("::")[0] for old, _ in LINES}))
def test_each_test_of_a_file_has_a_place_or_a_reason(file: str) -> None:
    lost = []
    for old, new in LINES:
        if old.startswith(f"{file}::") and not new.startswith(GONE):
            places = [old] if new == "=" else new.split()
            lost += [place for place in places if place.partition("::")[2] not in defined_in(place.partition("::")[0])]
    assert lost == []
    assert all(len(new) > len(GONE) + 10 for _, new in LINES if new.startswith(GONE))
