import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlkeel.contract.suites import Contract, Suite, read_contract
from mlkeel.errors import ContractError
from mlkeel.features.encoder import TEXTS, Encoder
from mlkeel.features.export import build_encoder
from mlkeel.features.texts import LONGEST, tokens
from mlkeel.training.training import train

from .kinds import KIND


@pytest.fixture(scope="module")
def encoder(original: Path) -> Encoder:
    return build_encoder(read_contract(original / "expectations"), TEXTS)


def numbers(encoder: Encoder, text: str | None) -> list[float]:
    (row,) = encoder.encode({"note": [text]})
    return row[~np.isnan(row)].tolist()


def test_words_pairs_and_parts_of_words_are_tokens() -> None:
    assert list(tokens("Red apples")) == [
        *("red", " red", "#<re", "#red", "#ed>"),
        *("apples", "red apples", "#<ap", "#app", "#ppl", "#ple", "#les", "#es>"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Straße, ŁÓDŹ", ["strasse", ",", "łódź"]),
        ("где мой заказ?", ["где", "мой", "заказ", "?"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("荷物はどこ", ["荷物はどこ"]),
        ("\N{FULLWIDTH LATIN SMALL LETTER A}b width", ["ab", "width"]),
        ("📦😡", ["📦", "😡"]),
        ("don't", ["don", "'", "t"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_texts_of_any_script_have_words(text: str, words: list[str]) -> None:
    assert [token for token in tokens(text) if " " not in token and not token.startswith("#")] == words


def test_a_token_has_the_same_number_in_every_process_and_release(encoder: Encoder) -> None:
    assert numbers(encoder, "a parcel")[:3] == [15939, 26515, 23904]


@pytest.mark.parametrize("text", [None, "", "   ", float("nan")])
def test_what_holds_no_text_has_no_token(encoder: Encoder, text: str | None) -> None:
    assert numbers(encoder, text) == []


def test_spaces_and_case_say_nothing(encoder: Encoder) -> None:
    assert numbers(encoder, "Red  Apples ") == numbers(encoder, "red apples")


def test_a_token_counts_once(encoder: Encoder) -> None:
    token_numbers = numbers(encoder, "red red red")
    assert len(token_numbers) == len(set(token_numbers))


def test_a_typing_error_leaves_some_tokens(encoder: Encoder) -> None:
    right, wrong = (set(numbers(encoder, text)) for text in ("delivered", "deliverd"))
    assert len(right & wrong) >= len(right) / 2


@pytest.mark.parametrize("text", ["word " * 20_000, "x" * 100_000, "荷" * 100_000, "a\ud800b", "\x00\x01"])
def test_long_and_broken_texts_are_read_as_far_as_there_is_room(encoder: Encoder, text: str) -> None:
    assert 1 <= len(numbers(encoder, text)) <= LONGEST


def test_different_words_fill_all_the_room(encoder: Encoder) -> None:
    assert len(numbers(encoder, " ".join(f"word{place}" for place in range(5_000)))) == LONGEST


def test_a_frame_and_a_mapping_give_the_same(encoder: Encoder) -> None:
    rows = {"note": ["red apples", None, "sweet"], "id": ["a", "b", "c"]}
    np.testing.assert_array_equal(encoder.encode(pd.DataFrame(rows)), encoder.encode(rows))


def test_columns_without_texts_are_refused(project: Path, measured: Suite) -> None:
    (project / "expectations" / "features.json").write_text(json.dumps(measured), encoding="utf-8")
    with pytest.raises(ContractError, match="weight_g, colour holds no texts"):
        train(KIND.project, project)


def test_columns_without_texts_are_refused_beside_texts(original: Path) -> None:
    contract = read_contract(original / "expectations")
    both = {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["note", "weight_g"]}}
    features: Suite = contract.features | {"expectations": [both, *contract.features["expectations"]]}
    with pytest.raises(ContractError, match=r"note has the type str .* and weight_g holds none"):
        build_encoder(Contract(features, contract.dataset), TEXTS)
