import json
import re
from collections.abc import Callable
from pathlib import Path

import markdown_it
import pandas as pd
import pytest
from mlkeel.adopt.writers import replace_blocks
from mlkeel.config import read_settings
from mlkeel.contract import markdown
from mlkeel.contract.messages import number, summarize
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.contract.validate import check
from mlkeel.registry.artifact import current
from mlkeel.report.tables import data_report
from mlkeel.tasks.metrics import headings

from .kinds import KIND


@pytest.mark.parametrize(
    ("value", "text"),
    [(243.06, "243.1"), (1234.5, "1,234"), (9999.7, "10,000"), (-32024.4, "-32,024"), (1.41e9, "1,410,000,000")],
)
def test_a_number_is_written_as_a_person_writes_it(value: float, text: str) -> None:
    assert number(value) == text


def test_what_is_too_much_to_say_is_sentences_and_a_place_to_look() -> None:
    assert summarize(["it is late", "it is red", "a", "b"], "a card") == "It is late. It is red. And 2 more: a card."
    assert summarize(["it is late."], "a card") == "It is late."


def test_the_model_card_says_what_it_was_trained_on_and_how_good_it_is(trained_project: Path) -> None:
    folder = current(trained_project / "artifacts")
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    scores = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["model"]
    target = read_settings(folder / "params.yaml").data.target
    description = KIND.task.output_type.output_sentence(read_contract(folder), target)
    assert f"Predicts `{target}` {description}, from `{KIND.feature}`" in card
    assert "data/fruit.csv" in card
    assert f"| {' | '.join(headings(KIND.task.metrics))} |" in card
    first = f"{scores['accuracy']:.3f}" if KIND.classification else f"{scores['mae']:,.4g}"
    assert f"| model | {scores['rows']} | {first} |" in card


MARKS = "# Mine\n\n<!-- make adopt writes data -->\nold\n<!-- to here -->\nmine too\n"


def test_a_readme_keeps_all_but_what_stands_between_the_marks() -> None:
    written = replace_blocks(MARKS, {"data": "new\n"})
    assert "old" not in written
    assert written.startswith("# Mine\n")
    assert written.endswith("mine too\n")
    assert replace_blocks("no marks", {"data": "new"}) == "no marks"
    open_ended = MARKS.replace("<!-- to here -->", "") + MARKS
    assert replace_blocks(open_ended, {"data": "new\n"}).startswith("# Mine\n\n<!-- make adopt writes data -->\nold")


def test_the_data_report_names_what_is_broken_and_no_single_record(fruit_contract: Contract) -> None:
    weights = [-1.0, *(float(weight) for weight in range(1, 20))]
    colors = pd.Series(["red|<b>"] * 20)
    names = [f"f{number}" for number in range(20)]
    table = pd.DataFrame({"weight_g": weights, "colour": colors, "id": names})
    results = check(table, fruit_contract.features)
    report = data_report(table, results, "data/fruit.csv")
    assert "20 rows; 5 of 7 expectations hold." in report
    assert "- weight_g: values must be at least 1 and at most 400, but 1 does not, for example -1 in row 1" in report
    assert "| weight_g | float64 | 0 | 20 | 9.5, nine of ten from 0.9 to 18.05 |" in report
    assert "red\\|&lt;b&gt; 100%" in report
    assert "f7" not in report


HOSTILE = "<script>alert(1)</script> | `x` *y* [z](javascript:0)\nnext"


@pytest.mark.parametrize("escape", [markdown.text, markdown.code_cell])
def test_a_name_stays_text_in_markdown(escape: Callable[[object], str]) -> None:
    html = markdown_it.MarkdownIt("gfm-like", {"linkify": False}).render(f"| name |\n|---|\n| {escape(HOSTILE)} |\n")
    assert html.count("<td>") == html.count("<tr>") - 1 == 1
    assert not re.search("<script|<em|<a |<strong", html)
    assert "alert(1)" in html
