import re
from xml.etree import ElementTree

import pytest
from mlkeel.report.bars import MAX_BARS, bars, distribution_bars, fold
from mlkeel.report.plots import COLORS, line_chart, shorten

HOSTILE = '<script>alert(1)</script> $x^2$ "quoted" { braces } --> größe 日本'
PLOTS = {
    "bars": lambda: bars([(HOSTILE, 1.0, 0.1), ("_hidden", -0.5, 0.0)], HOSTILE),
    "bars of shares": lambda: distribution_bars(HOSTILE, [HOSTILE, "red"], [0.5, 0.5], [1.0, 0.0]),
    "columns of shares": lambda: distribution_bars(
        HOSTILE, ["under 1", "1 to 2", "over 2"], [0.3, 0.3, 0.4], [0, 0, 0], [1, 2]
    ),
    "a line chart": lambda: line_chart([0.5, 0.7], [HOSTILE, "second"], [1], "saved", 0.6),
}


@pytest.fixture(params=PLOTS)
def svg(request: pytest.FixtureRequest) -> str:
    return PLOTS[request.param]()


def test_a_drawing_is_well_formed_and_takes_its_colors_from_the_page(svg: str) -> None:
    ElementTree.fromstring(svg)
    assert set(re.findall(r"var\(--(\w+)\)", svg)) <= set(COLORS)
    assert "var(--" in svg
    assert not re.search(r"<[^<>]*(#0000|id=|href|font-family|script)", svg)


def test_names_stay_as_they_are() -> None:
    texts = [text.text for text in ElementTree.fromstring(PLOTS["bars"]()).iter("text")]
    assert {shorten(HOSTILE), HOSTILE, "_hidden"} <= set(texts)


@pytest.mark.parametrize(
    ("name", "label"),
    [("red", "red"), ("a" * 30, f"{'a' * 19}…"), ("日" * 30, f"{'日' * 9}…"), ("a\nb\0c", "a b c"), ("", "“”")],
)
def test_a_name_is_cut_to_its_room(name: str, label: str) -> None:
    assert shorten(name) == label


def test_some_bars_can_be_pale() -> None:
    values = [("weight", 2.0, 0.0), ("ratio", 1.0, 0.0)]
    assert bars(values, "loss").count("var(--pale)") == 0
    assert bars(values, "loss", {"ratio"}).count("var(--pale)") == 1


def test_the_rest_of_many_bars_is_one_and_nothing_is_lost() -> None:
    shares = [number / 4950 for number in range(100)]
    folded = fold([f"class {number}" for number in range(100)], shares, shares[::-1])
    assert len(folded) == MAX_BARS
    assert folded[-1][0] == "89 others"
    assert sum(bar[1] for bar in folded) == pytest.approx(1)
