import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlkeel.errors import InputError
from mlkeel.features import functions
from mlkeel.features.derived import DerivedFeature, derived
from mlkeel.features.numpy_operations import from_array, from_sequence
from mlkeel.features.onnx_operations import from_variable
from mlkeel.features.values import FUNCTIONS, INSTEAD, Values
from spox import Tensor, argument, build

NAMESPACE = {name: getattr(functions, name) for name in functions.__all__} | {
    "math": math,
    "np": np,
    "derived": derived,
    "inf": math.inf,
    "nan": math.nan,
}
Table = dict[str, np.ndarray]
SPECIAL_NUMBERS = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.3, 1.5, 2.5, -2.5, 3.0, 24.0, 7e-9, 1e-300, 5e-324, 1e22, -1e300,
    1.7976931348623157e308,
    math.pi, 12 * math.pi, 2.0**53, 17.0, math.nan, math.inf, -math.inf,
]  # fmt: skip
SPECIAL_TIMES = [
    0.0,
    -1.0,
    -1e-9,
    951_782_400.0,
    -62_135_596_800.0,
    253_402_300_799.0,
    1e12,
    -1e300,
    math.nan,
    math.inf,
]
TEXTS = ["", "red", "green", "Red", "red ", "r\u00e9d", "re\u0301d", "\U0001f34e", "a\0b", "a\0", "unseen"]
CONSTANTS = ["0", "-0.0", "1", "True", "2", "-3", "0.1", "1e300", "24", "inf"]


def trace(columns: Table, evaluate: Callable[[dict[str, Values]], dict[str, Values]]) -> Callable[[Table], Table]:
    """The graph of derived columns, as a function of a table; the columns say the types of the inputs."""
    types = {"f": np.float64, "b": np.bool_, "O": np.str_}
    inputs = {name: argument(Tensor(types[array.dtype.kind], ("N",))) for name, array in columns.items()}
    outputs = evaluate({name: from_variable(variable) for name, variable in inputs.items()})
    model = build(inputs, {f"derived {name}": values.data for name, values in outputs.items()})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    used = {item.name for item in session.get_inputs()}

    def run(table: Table) -> Table:
        answers = session.run(None, {name: array for name, array in table.items() if name in used})
        return dict(zip(outputs, answers, strict=True))

    return run


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether numbers are equal to the bit, signs of zero included; all NaN are one."""
    missing = np.isnan(left) & np.isnan(right)
    return bool(np.all((left.view(np.int64) == right.view(np.int64)) | missing))


def in_both(function: Callable[..., Values], *columns: Any) -> np.ndarray:
    """What a function of columns gives in numpy, after it was seen to be the same in the graph and row by row."""
    table = {f"column {index}": from_sequence(column).data for index, column in enumerate(columns)}
    return agreed(table, lambda values: {"result": function(*values.values()).numbers()})["result"]


def agreed(table: Table, evaluate: Callable[[dict[str, Values]], dict[str, Values]]) -> Table:
    expected = {
        name: values.data
        for name, values in evaluate({name: from_array(array) for name, array in table.items()}).items()
    }
    rows = len(next(iter(table.values())))
    graph = trace(table, evaluate)
    batch = graph(table)
    alone = [graph({name: array[row : row + 1] for name, array in table.items()}) for row in range(rows)]
    for name, numbers in expected.items():
        assert numbers.shape == (rows,)
        assert numbers.dtype == batch[name].dtype == np.float64
        assert same_bits(numbers, batch[name]), (name, numbers, batch[name])
        by_row = np.array([answers[name][0] for answers in alone], dtype=np.float64)
        assert same_bits(numbers, by_row), (name, numbers, by_row)
    return expected


def formulas(depth: int) -> tuple[st.SearchStrategy[str], st.SearchStrategy[str], st.SearchStrategy[str]]:
    """Numbers, masks and texts as Python expressions over the columns x, y, time, color and other."""
    number = st.sampled_from(["x", "y", "time"])
    mask = st.sampled_from(["(x > 0)", "(color == 'red')", "is_missing(y)", "is_missing(other)", "(x == y)"])
    text = st.sampled_from(["color", "other"])
    for _ in range(depth):
        number, mask, text = _deeper(number, mask, text)
    return number, mask, text


def _deeper(
    number: st.SearchStrategy[str], mask: st.SearchStrategy[str], text: st.SearchStrategy[str]
) -> tuple[st.SearchStrategy[str], st.SearchStrategy[str], st.SearchStrategy[str]]:
    constant = st.sampled_from(CONSTANTS)
    operand = number | constant | mask
    quoted = st.sampled_from([repr(text) for text in TEXTS])
    arithmetic = st.sampled_from(["+", "-", "*", "/", "//", "%"])
    comparison = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    one_number = [
        name
        for name in FUNCTIONS
        if name not in {"bins", "clip", "cyclic", "days_between", "fill_missing", "is_missing", "isin", "map_values",
                        "maximum", "minimum", "timestamp", "where", "years_between"}
    ]  # fmt: skip
    numbers = [
        number,
        st.builds("({} {} {})".format, number, arithmetic, operand),
        st.builds("({} {} {})".format, operand, arithmetic, number),
        st.builds(
            "({} ** {})".format, number, st.sampled_from(["0", "0.5", "1", "2", "3", "-1", "-2", "8", "9", "1.5"])
        ),
        st.builds("({} ** {})".format, number | constant, number),
        st.builds("{}({})".format, st.sampled_from([*one_number, "-", "+", "abs"]), number | mask),
        st.builds("round({}, {})".format, number, st.sampled_from(["2", "-2"])),
        st.builds("{}({}, {})".format, st.sampled_from(["minimum", "maximum", "years_between"]), number, operand),
        st.builds("{}({}, {})".format, st.sampled_from(["minimum", "maximum", "days_between"]), operand, number),
        st.builds("clip({}, {}, {})".format, number, constant, operand),
        st.builds("where({}, {}, {})".format, mask, operand, operand),
        st.builds("fill_missing({}, {})".format, number, operand),
        st.builds("bins({}, [-1, 0, 0.5, 24])".format, number),
        st.builds("cyclic({}, {})[{}]".format, number, st.sampled_from(["24", "0.1"]), st.sampled_from([0, 1])),
        st.builds("map_values({}, {{'red': 1, '': 2, 'a\\0b': -0.0}}, {})".format, text, constant),
        st.builds("map_values({}, {{'r\u00e9d': nan, 'red': inf}})".format, text),
        st.builds("map_values({}, {{0: 5, 1: -1.5, inf: 2}}, {})".format, number | mask, constant),
    ]
    masks = [
        mask,
        st.builds("({} {} {})".format, number, comparison, operand),
        st.builds("({} {} {})".format, text, st.sampled_from(["==", "!="]), quoted | text),
        st.builds("({} {} {})".format, mask, st.sampled_from(["&", "|", "^", "=="]), mask | st.sampled_from(["True"])),
        st.builds("(~{})".format, mask),
        st.builds("where({}, {}, {})".format, mask, mask, mask | st.sampled_from(["False"])),
        st.builds("is_missing({})".format, number | text),
        st.builds("isin({}, ['red', 'a\\0', ''])".format, text),
        st.builds("isin({}, {{0, 1.5, inf}})".format, number),
    ]
    texts = [
        text,
        st.builds("where({}, {}, {})".format, mask, text | quoted, text),
        st.builds("fill_missing({}, {})".format, text, quoted | text),
    ]
    return st.one_of(numbers), st.one_of(masks), st.one_of(texts)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(0, 9))
    numbers = st.lists(st.sampled_from(SPECIAL_NUMBERS) | st.floats() | st.integers(-50, 50).map(float), min_size=rows)
    times = st.lists(st.sampled_from(SPECIAL_TIMES) | st.floats(-7e10, 3e11), min_size=rows)
    texts = st.lists(st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=4), min_size=rows)
    columns = {"x": numbers, "y": numbers, "time": times, "color": texts, "other": texts}
    return {
        name: np.array(draw(column)[:rows], dtype=object if column is texts else np.float64)
        for name, column in columns.items()
    }


NUMBER, MASK, _ = formulas(3)


@settings(max_examples=120)
@given(table=tables(), expressions=st.lists(NUMBER | MASK, min_size=4, max_size=8))
def test_numpy_the_graph_and_the_graph_row_by_row_agree_to_the_bit(table: Table, expressions: list[str]) -> None:
    names = ", ".join(table)
    results = ", ".join(f"{str(index)!r}: {expression}" for index, expression in enumerate(expressions))
    feature = eval(f"derived(lambda {names}: {{{results}}})", NAMESPACE)
    agreed(table, feature.evaluate)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("(1 / x) * y", "onnxruntime makes it y / x"),
        ("1 / (-x + 0)", "onnxruntime leaves the sum out, and so keeps -0.0"),
        ("1 / (0 + -x)", "onnxruntime leaves the sum out, and so keeps -0.0"),
        ("1 / (-x - -0.0)", "onnxruntime leaves the difference out"),
        ("1 / where(x < 1, x, 2)", "onnxruntime loses the sign of a chosen -0.0"),
        ("1 / where(~(x < 1), 2, x)", "onnxruntime swaps the branches of a negated condition"),
        ("1 / where(x != 5, x, 2)", "onnxruntime swaps the branches of a negated condition"),
        ("where(x > 1, 0.0, -0.0) + where(x > 1, -0.0, 0.0)", "equal constants are shared"),
        ("sin(x)", "the sines of multiples of pi differ"),
        ("cos(x)", "the cosines of multiples of pi differ"),
        ("floor(exp(log(x)))", "the last bits of logarithms differ"),
        ("x // 0.1", "numpy floors another quotient"),
    ],
)
def test_what_onnxruntime_computes_in_its_own_way_agrees_to_the_bit(expression: str, why: str) -> None:
    multiples = np.arange(-200.0, 200.0) * math.pi / 12
    x = np.concatenate([SPECIAL_NUMBERS, multiples, np.arange(1.0, 400.0) / 7, np.arange(1.0, 200.0)])
    table = {"x": x, "y": np.linspace(-7, 7, len(x))}
    try:
        agreed(table, eval(f"derived(lambda x, y: {expression})", NAMESPACE).evaluate)
    except AssertionError as error:
        raise AssertionError(why) from error


@pytest.mark.parametrize("name", ["log", "log1p", "log2", "log10", "exp", "tanh", "sin", "cos"])
def test_functions_are_right_to_the_last_bits_of_float32(name: str) -> None:
    x = np.concatenate([np.linspace(-40, 40, 4001), np.geomspace(1e-30, 80, 4001), [0.0, np.inf, -np.inf, np.nan]])
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    near = 1e-15 if name in {"sin", "cos"} else 1e-37
    np.testing.assert_allclose(in_both(getattr(functions, name), x), expected, rtol=1e-7, atol=near)


def test_calendar_parts_are_those_of_the_calendar_from_the_year_1_to_9999() -> None:
    start = datetime(1, 1, 1, tzinfo=UTC)
    rng = np.random.default_rng(0)
    seconds = rng.integers(0, int((datetime(9999, 12, 31, tzinfo=UTC) - start).total_seconds()), 15_000).tolist()
    moments = [start + timedelta(seconds=second) for second in seconds]
    for year in (1, 4, 100, 400, 1600, 1900, 1970, 1999, 2000, 2023, 2024, 2100, 9999):
        moments += [datetime(year, month, day, 23, 59, 59, tzinfo=UTC) for month, day in [(1, 1), (2, 28), (12, 31)]]
        moments += [datetime(year, month, 1, tzinfo=UTC) for month in range(1, 13)]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    times = np.array([(moment - epoch).total_seconds() for moment in moments])
    expected = {
        part: [getattr(moment, part) for moment in moments] for part in ("year", "month", "day", "hour", "minute")
    }
    expected["weekday"] = [moment.weekday() for moment in moments]
    expected["day_of_year"] = [moment.timetuple().tm_yday for moment in moments]

    @derived
    def parts(time: Values) -> dict[str, Values]:
        return {part: getattr(functions, part)(time) for part in expected}

    graph = trace({"time": times}, parts.evaluate)({"time": times})
    for part, numbers in parts(times).items():  # type: ignore[union-attr]
        assert same_bits(numbers, np.array(expected[part], dtype=float)), part
        assert same_bits(numbers, graph[part]), part


@pytest.mark.parametrize("part", ["year", "month", "day", "weekday", "day_of_year", "hour", "minute"])
def test_a_missing_time_has_no_calendar_parts(part: str) -> None:
    assert np.isnan(in_both(getattr(functions, part), [math.nan, math.inf, -math.inf])).all()


def test_the_last_instant_of_a_day_belongs_to_it() -> None:
    assert in_both(functions.hour, [-1e-12, 86_400 - 1e-6]).tolist() == [23, 23]
    assert in_both(functions.day, [-1e-12, 86_400 - 1e-6]).tolist() == [31, 1]


@pytest.mark.parametrize(
    ("expression", "x", "expected"),
    [
        ("x + 1", [1, None], [2, math.nan]),
        ("x / 0", [1, -1, 0], [math.inf, -math.inf, math.nan]),
        ("x % 3", [7, -7, math.nan], [1, 2, math.nan]),
        ("-7 // x", [2], [-4]),
        ("x ** 3", [-2, 0.5], [-8, 0.125]),
        ("2 ** x", [10, -1], [1024, 0.5]),
        ("x ** -2", [4], [1 / 16]),
        ("x ** 0.5", [2], [math.sqrt(2)]),
        ("np.float64(3) * x", [2], [6]),
        ("np.float64(3) - x", [2], [1]),
        ("sum([x, x, 1])", [2], [5]),
        ("(x > 1) + (x > 2)", [1, 2, 3], [0, 1, 2]),
        ("1 < x", [1, 2, math.nan], [0, 1, 0]),
        ("~(x > 1) & True", [1, 2, math.nan], [1, 0, 1]),
        ("(x > 1) == False", [1, 2], [1, 0]),
        ("where(x > 1, 1, 0)", [1, 2], [0, 1]),
        ("where(x > 1, x > 2, True)", [1, 2, 3], [1, 0, 1]),
        ("where(x > 1, 'a', 'b') == 'a'", [1, 2], [0, 1]),
        ("round(x)", [0.5, 1.5, -0.4], [0, 2, 0]),
        ("round_half_even(x, 2)", [1.005, 0.125], [1.0, 0.12]),
        ("round_half_even(x, -2)", [250, 350], [200, 400]),
        ("ceil(x) + floor(x)", [1.5], [3]),
        ("sign(x)", [-3, 0, 3, None], [-1, 0, 1, math.nan]),
        ("minimum(x, 2)", [1, 3, None], [1, 2, math.nan]),
        ("maximum(2, x)", [1, 3, None], [2, 3, math.nan]),
        ("clip(x, 0, 1)", [-1, 0.5, 2, None], [0, 0.5, 1, math.nan]),
        ("bins(x, [18, 65])", [17, 18, 65, None, math.inf], [0, 1, 2, math.nan, 2]),
        ("isin(x, [1, 2])", [1, 3, None], [1, 0, 0]),
        ("isin(x, {3})", [1, 3, None], [0, 1, 0]),
        ("is_missing(x)", [1, None, math.inf], [0, 1, 0]),
        ("fill_missing(x, 5)", [1, None], [1, 5]),
        ("map_values(x, {1: 10}, default=-1)", [1, 2, None], [10, -1, math.nan]),
        ("x == 'red'", ["red", "Red", None], [1, 0, 0]),
        ("'red' != x", ["red", "Red", None], [0, 1, 1]),
        ("is_missing(x)", ["red", None, ""], [0, 1, 1]),
        ("fill_missing(x, 'red') == 'red'", ["red", "green", None], [1, 0, 1]),
        ("isin(x, ['red', 'green'])", ["red", "blue", None], [1, 0, 0]),
        ("map_values(x, {'red': 1})", ["red", "blue", None], [1, math.nan, math.nan]),
        ("map_values(x, {'red': 1}, default=0)", ["red", "blue", None], [1, 0, math.nan]),
        ("map_values(x, {'red': 1, '': 7}, 0)", ["red", "blue", None], [1, 0, 7]),
        (r"x == '\ud800'", ["\ud800", "a"], [1, 0]),
        ("(x == 'a') | isin(x, ['a\\0', 'b'])", ["a\0", "a", "a\0\0"], [1, 1, 0]),
        ("days_between(x, timestamp(2024, 2, 28))", [1_709_251_200.0], [2]),
        ("years_between(timestamp(2024), x)", [0.0], [19_723 / 365.2425]),
        ("x > timestamp(1970, 1, 2, 12, 30, 1.5)", [131_401.5, 131_402.0], [0, 1]),
    ],
)
def test_an_expression_gives(expression: str, x: list[Any], expected: list[float]) -> None:
    numbers = in_both(eval(f"lambda x: {expression}", NAMESPACE), x)
    np.testing.assert_array_equal(numbers, expected)


def test_cyclic_makes_the_last_hour_a_neighbor_of_the_first() -> None:
    hours = list(range(24))
    sine, cosine = (in_both(lambda hour, index=index: functions.cyclic(hour, 24)[index], hours) for index in (0, 1))
    steps = np.hypot(sine - np.roll(sine, 1), cosine - np.roll(cosine, 1))
    np.testing.assert_allclose(steps, steps[1], rtol=1e-6)
    assert (sine[12], cosine[6]) == (0, 0)


@pytest.mark.parametrize("name", ["log", "sqrt", "sin", "floor", "sign", "year", "absolute"])
def test_a_function_of_one_number_gives_one_number(name: str) -> None:
    function = getattr(functions, name)
    assert function(2) == function(from_sequence([2.0])).data[0]
    assert type(function(2)) is float


def test_division_by_zero_and_overflow_give_no_warnings(recwarn: pytest.WarningsRecorder) -> None:
    @derived
    def ratio(x: Values) -> Values:
        return x / 0 + functions.log(-x) + functions.exp(x * 1e300) + functions.month(x * 1e300) + x**-1 % 0

    ratio([1.0, -1.0, 0.0, None, math.inf])
    assert not recwarn.list


REFUSED = [
    ("if x > 1: return x", "where(condition, a, b)"),
    ("return x > 1 and x < 2", "(a < b) & (b < c)"),
    ("return 1 < x < 2", "(a < b) & (b < c)"),
    ("return not x", "| and ~"),
    ("return min(x, 1)", "minimum"),
    ("return x in [1, 2]", "isin"),
    ("return x in {1, 2}", "isin or map_values"),
    ("return {1: 2}[x]", "isin or map_values"),
    ("return 1 in x", "isin"),
    ("return [value for value in x]", "rows cannot be looped over"),
    ("return len(x)", "the number of rows is not known"),
    ("return x[0]", "rows cannot be picked"),
    ("x[0] = 1", "where(condition, new, old)"),
    ("return range(x)", "map_values"),
    ("return math.log(x)", "the function of the same name in mlkeel.features.functions"),
    ("return float(x)", "the function of the same name"),
    ("return int(x)", "use floor"),
    ("return np.log(x)", "np.log cannot become part of the model; use log of mlkeel.features.functions"),
    ("return np.where(x > 1, 1, 0)", "use where of mlkeel.features.functions"),
    ("return np.isnan(x)", "use is_missing"),
    ("return np.add(x, x)", "use +"),
    ("return np.mean(x)", "np.mean looks at other rows"),
    ("return np.cumsum(x)", "looks at other rows"),
    ("return np.arctan2(x, x)", "no counterpart; mlkeel.features.functions has absolute"),
    ("return np.asarray(x)", "cannot become a numpy array"),
    ("return np.array([1.0, 2.0]) * x", "np.multiply cannot"),
    ("return x * np.array([1.0, 2.0])", "an object of type ndarray cannot be computed with"),
    ("return np.add.reduce(x)", "use +"),
    ("return x.mean()", ".mean looks at other rows"),
    ("return x.rank()", "looks at other rows"),
    ("return x.fillna(0)", "use fill_missing"),
    ("return x.clip(0, 1)", "use clip(values)"),
    ("return x.weight", ".weight does not exist on a column; mlkeel.features.functions has absolute"),
    ("return text.lower()", "the text method .lower cannot become part of the model"),
    ("return text.str.len()", "the text method .str"),
    ("return text + 1", "texts cannot be computed with"),
    ("return text + 'a'", "texts cannot be computed with"),
    ("return x + 'a'", "the text 'a' cannot be computed with"),
    ("return x + text", "texts cannot be computed with"),
    ("return text < 'b'", "texts have no order"),
    ("return text == 1", "cannot stand beside texts"),
    ("return x == text", "texts cannot be compared to numbers"),
    ("return x == 'a'", "cannot be computed with or compared"),
    ("return x == None", "is_missing"),
    ("return x == math.nan", "is_missing"),
    ("return text == None", "is_missing"),
    ("return x + None", "is_missing"),
    ("return x + [1]", "a list cannot be computed with"),
    ("return x + 10**400", "too large"),
    ("return x & (x > 1)", "a condition is wanted where numbers stand"),
    ("return (x > 1) & 1", "is no condition"),
    ("return ~x", "a condition is wanted"),
    ("return where(x, 1, 0)", "a condition is wanted"),
    ("return where(True, x, 0)", "a column is wanted"),
    ("return where(x > 1, text, 0)", "cannot stand beside texts"),
    ("return where(x > 1, [1], 0)", "a list cannot be computed with"),
    ("return log(text)", "texts cannot be computed with"),
    ("return log([1])", "a list cannot be computed with"),
    ("return log('a')", "the text 'a'"),
    ("return minimum(1, 2)", "a column is wanted"),
    ("return bins(x, 3)", "a list of numbers"),
    ("return bins(x, [2, 1])", "must ascend"),
    ("return bins(x, [1, math.nan])", "must ascend"),
    ("return isin(text, 'red')", "isin needs a list"),
    ("return isin(x, [])", "isin needs a list"),
    ("return isin(x, ['a', 'b'])", "the text 'a'"),
    ("return isin(text, ['a', 1])", "1 is no text"),
    ("return isin(x, [math.nan, 1])", "is_missing"),
    ("return map_values(text, [1])", "map_values needs a dict"),
    ("return map_values(text, {1: 1})", "1 is no text"),
    ("return map_values(text, {'a': 'b'})", "the text 'b'"),
    ("return fill_missing(text, 0)", "cannot stand beside texts"),
    ("return cyclic(x, 0)[0]", "a period is a positive number"),
    ("return round(x, 0.5)", "the digits to round to"),
    ("return x > timestamp(2023, 2, 29)", "timestamp takes the whole numbers of a date"),
    ("return f'{x:.2f}'", "TypeError"),
    ("return x + undefined", "NameError: name 'undefined' is not defined"),
    ("return x + 1 / 0", "ZeroDivisionError"),
    ("return x @ x", "TypeError"),
    ("return [1][1] + x", "IndexError"),
]
BACKENDS = {
    "numpy": lambda: {"x": from_sequence([1.0, 2.0]), "text": from_sequence(["a", "b"])},
    "onnx": lambda: {
        "x": from_variable(argument(Tensor(np.float64, ("N",)))),
        "text": from_variable(argument(Tensor(np.str_, ("N",)))),
    },
}


def defined(source: str, path: Path) -> DerivedFeature:
    path.write_text(source, encoding="utf-8")
    namespace = dict(NAMESPACE)
    exec(compile(source, path, "exec"), namespace)
    return namespace["feature"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("statement", "remedy"), REFUSED)
def test_what_cannot_be_part_of_the_model_is_refused_with_its_line(
    statement: str, remedy: str, backend: str, tmp_path: Path
) -> None:
    path = tmp_path / "features.py"
    feature = defined(f"@derived\ndef feature(x, text):\n    '''A feature.'''\n    {statement}\n", path)
    with pytest.raises(InputError) as raised:
        feature.evaluate(BACKENDS[backend]())
    assert str(raised.value).startswith(f"{path}:4, in feature: ")
    assert remedy in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("x + 1", "returns None"),
        ("return 1.0", "returns 1.0 for all rows"),
        ("return str(x) == 'a'", "returns False for all rows"),
        ("return text", "a derived column holds numbers"),
        ("return x, text", "return dict(name=values, other=values)"),
        ("return {}", "an empty dict"),
        ("return {'a': text}", "returns texts as 'a'"),
        ("return {'a': None}", "returns None as 'a'"),
        ("return {1: x}", "names a column 1"),
        ("return {' ': x}", "names a column ' '"),
        ("return np.ones(2)", "an object of type ndarray"),
        ("yield x", "a plain function"),
    ],
)
def test_what_is_no_column_of_numbers_is_refused_as_a_result(
    statement: str, remedy: str, backend: str, tmp_path: Path
) -> None:
    path = tmp_path / "features.py"
    feature = defined(f"@derived\ndef feature(x, text):\n    {statement}\n", path)
    with pytest.raises(InputError) as raised:
        feature.evaluate(BACKENDS[backend]())
    assert str(raised.value).startswith(f"{path}:1, in feature: ")
    assert remedy in str(raised.value)


@pytest.mark.parametrize(
    ("definition", "remedy"),
    [
        ("@derived\ndef feature(*columns): return 1", "stands for no one column"),
        ("@derived\ndef feature(**columns): return 1", "stands for no one column"),
        ("@derived\ndef feature(*, x): return x", "stands for no one column"),
        ("@derived\ndef feature(x, power=2): return x", "power has a default"),
        ("@derived\ndef feature(): return 1", "reads no column"),
        ("@derived(columns=('x',))\ndef feature(x, y): return x", "has 2 parameters, and its columns= names 1 columns"),
        ("@derived(columns='x')\ndef feature(x): return x", "names its columns wrongly"),
        ("@derived(columns=(1,))\ndef feature(x): return x", "names its columns wrongly"),
        ("@derived\ndef feature(z): return z", "there is no column 'z'; there are: x, text"),
        ("@derived\nasync def feature(x): return x", "a plain function"),
        ("@derived\nclass feature: ...", "@derived takes a function"),
        ("feature = derived(3)", "@derived takes a function"),
    ],
)
def test_a_wrong_definition_is_refused_when_evaluated_and_not_at_import(
    definition: str, remedy: str, tmp_path: Path
) -> None:
    feature = defined(definition + "\n", tmp_path / "features.py")
    with pytest.raises(InputError) as raised:
        feature.evaluate(BACKENDS["numpy"]())
    assert remedy in str(raised.value)


def test_an_error_in_a_helper_names_the_line_in_the_features_file(tmp_path: Path) -> None:
    source = "def helper(x):\n    return x.mean()\n\n@derived\ndef feature(x):\n    return helper(x)\n"
    feature = defined(source, tmp_path / "features.py")
    with pytest.raises(InputError, match=r"features\.py:2, in feature"):
        feature([1.0])


def test_values_of_another_call_are_refused() -> None:
    kept: list[Values] = []

    @derived
    def feature(x: Values) -> Values:
        kept.append(x)
        return kept[0] + x

    feature([1.0])
    with pytest.raises(InputError, match="another call"):
        feature.evaluate(BACKENDS["onnx"]())


def test_parameters_name_raw_columns_and_the_function_names_its_column() -> None:
    @derived
    def bill_ratio(bill_length_mm: Values, bill_depth_mm: Values) -> Values:
        return bill_length_mm / bill_depth_mm

    assert bill_ratio.columns == ("bill_length_mm", "bill_depth_mm")
    assert bill_ratio.name == "bill_ratio"
    np.testing.assert_array_equal(bill_ratio([3, None, 8], np.array([2, 2, 4])), [1.5, math.nan, 2])


def test_columns_without_python_names_are_named_beside_the_function() -> None:
    @derived(columns=("unit price", "quantity"))
    def total(price: Values, quantity: Values) -> Values:
        return price * quantity

    table = {"quantity": from_sequence([2]), "unit price": from_sequence([0.5]), "other": from_sequence(["a"])}
    assert total.evaluate(table)["total"].data.tolist() == [1]


def test_a_dict_gives_several_columns_and_masks_become_numbers() -> None:
    @derived()
    def parts(time: Values) -> dict[str, Values]:
        sine, cosine = functions.cyclic(functions.hour(time), 24)
        return {"hour sine": sine, "hour cosine": cosine, "late": functions.hour(time) >= 22}

    answers = parts(np.array(["2024-02-29T23:00", "2024-02-29T06:00", "NaT"], dtype="datetime64[m]"))
    assert list(answers) == ["hour sine", "hour cosine", "late"]
    np.testing.assert_array_equal(answers["late"], [1, 0, 0])
    np.testing.assert_array_equal(answers["hour sine"][1:], [1, math.nan])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([True, None, False], [1, math.nan, 0]),
        (np.array([True, False]), [1, 0]),
        (np.array([1, 2], dtype=np.int8), [1, 2]),
        (np.array(["1970-01-01T00:00:01.5", "NaT"], dtype="datetime64[ns]"), [1.5, math.nan]),
        (["a", None, math.nan], ["a", "", ""]),
        ([], []),
        ([None], [math.nan]),
        (["\ud83d"], ["\N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_a_raw_column_becomes_what_the_model_sees(column: object, expected: list[Any]) -> None:
    np.testing.assert_array_equal(from_sequence(column).data, np.array(expected))


@pytest.mark.parametrize("column", [["a", 1], [[1]], [datetime(2024, 1, 1, tzinfo=UTC)], [1j], 3])
def test_a_raw_column_of_mixed_or_other_values_is_refused(column: object) -> None:
    with pytest.raises(InputError):
        from_sequence(column)


def test_columns_of_different_length_or_number_are_refused() -> None:
    @derived
    def ratio(x: Values, y: Values) -> Values:
        return x / y

    with pytest.raises(InputError, match="equally long"):
        ratio([1], [1, 2])
    with pytest.raises(InputError, match="takes 2 columns, and 1 were given"):
        ratio([1])


def test_importing_the_language_imports_no_onnx() -> None:
    imports = "import sys, mlkeel.features.derived, mlkeel.features.functions"
    script = f"{imports}; print({{'spox', 'onnx', 'onnxruntime'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_each_function_that_a_refusal_names_exists() -> None:
    assert all(callable(getattr(functions, name)) for name in FUNCTIONS)
    words = {word.strip(",()") for remedy in INSTEAD.values() for word in remedy.split()}
    assert {"where", "fill_missing", "bins", "round_half_even"} <= words & {*FUNCTIONS}
