import gzip
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy
from mlkeel.data.reader import read
from mlkeel.errors import DataError

ROWS = [("Zoë", "3.5", "red"), ("Jürgen", "4.25", "blue"), ("Ana", "", "red")]


def write_table(path: Path, separator: str = ",", encoding: str = "utf-8") -> Path:
    lines = [("name", "size", "colour"), *ROWS]
    path.write_bytes("\n".join(separator.join(line) for line in lines).encode(encoding))
    return path


def values(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(table.fillna("").itertuples(index=False, name=None))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_common_separator_is_found(tmp_path: Path, separator: str) -> None:
    assert values(read(str(write_table(tmp_path / "a.csv", separator))).table) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_common_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    assert values(read(str(write_table(tmp_path / "a.csv", encoding=encoding))).table) == ROWS


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(write_table(tmp_path / "a.csv").read_bytes()))
    source = read(str(path))
    assert (source.name, values(source.table)) == ("a", ROWS)


def test_parquet_is_read_and_whole_numbers_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    typed = {"n": pd.array([1, None, 3], dtype="Int64"), "x": [0.1, 2.0, None], "on": [True, False, None]}
    pd.DataFrame(typed).to_parquet(path)
    table = read(str(path)).table.fillna("")
    assert table["n"].tolist() == ["1", "", "3"]
    assert table["x"].astype("str").tolist()[0] == "0.1"
    assert table["on"].tolist() == ["true", "false", ""]


def test_a_table_of_a_database_is_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with sqlalchemy.create_engine(url).begin() as connection:
        connection.execute(sqlalchemy.text("create table things (name text, size real, colour text)"))
        for row in ROWS:
            statement = sqlalchemy.text("insert into things values (:name, :size, :colour)")
            connection.execute(statement, {"name": row[0], "size": row[1] or None, "colour": row[2]})
    assert values(read(f"{url}#things").table) == ROWS
    assert read(url).name == "things"
    with pytest.raises(DataError, match="There are: things"):
        read(f"{url}#others")


def test_numbers_of_a_database_are_not_rounded(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with sqlalchemy.create_engine(url).begin() as connection:
        connection.execute(sqlalchemy.text("create table t (x decimal(10, 2), day date)"))
        connection.execute(sqlalchemy.text("insert into t values (0.346, '01/13/2021')"))
    assert read(url).table.iloc[0].tolist() == ["0.346", "01/13/2021"]


@pytest.mark.parametrize(
    ("word", "encoding"),
    [("São Paulo", "latin-1"), ("Łódź, Gdańsk", "cp1250"), ("Москва, Новосибирск, Екатеринбург", "cp1251")],
)
def test_older_encodings_are_told_apart(tmp_path: Path, word: str, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"x;y\n{word};1\n{word};2\n".encode(encoding))
    assert read(str(path)).table["x"][0] == word


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    word = "hush"
    url = sqlalchemy.URL.create("sqlite", username="me", password=word, host="here", database=str(tmp_path / "none.db"))
    with pytest.raises(DataError) as excinfo:
        read(url.render_as_string(hide_password=False))
    assert word not in str(excinfo.value)


@pytest.mark.parametrize(
    ("cells", "plain"),
    [
        (["1,234.5", "7"], ["1234.5", "7"]),
        (["$1,000", "$2"], ["1000", "2"]),
        (["12 %", "3.5%"], ["12", "3.5"]),
        (["3,5", "10,25"], ["3.5", "10.25"]),
        (["1.5", "-"], ["1.5", ""]),
        (["+", "-"], ["+", "-"]),
        (["?", "a"], ["", "a"]),
        (["N/A", " b "], ["", "b"]),
        (["1,5 or so", "2"], ["1,5 or so", "2"]),
        (["0,095", "1,250"], ["0.095", "1.250"]),
        (["$5", "€5"], ["$5", "€5"]),
        (["5%", "0.05"], ["5%", "0.05"]),
        (["007", "012"], ["007", "012"]),
    ],
)
def test_numbers_are_written_plainly(tmp_path: Path, cells: list[str], plain: list[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n" + "".join(f'"{cell}",1\n' for cell in cells), encoding="utf-8")
    assert read(str(path)).table["x"].fillna("").tolist() == plain


def test_points_are_decimals_even_between_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x;y\n1.234;1,5\n2.345;2.000,5\n", encoding="utf-8")
    table = read(str(path)).table
    assert table["x"].tolist() == ["1.234", "2.345"]
    assert table["y"].tolist() == ["1.5", "2000.5"]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (",x\n0,a\n1,b\n", ["x"], "counts the rows"),
        ("x,\na,\nb,\n", ["x"], "no value"),
        ("x,x\na,a\nb,b\n", ["x"], "stands there twice"),
        ("x,x\na,1\nb,2\n", ["x", "x_2"], "two columns are called x"),
        ("x,x,x_2\na,1,q\nb,2,w\n", ["x", "x_2_2", "x_2"], "two columns are called x"),
        ("\n\nx,y\na,1\n", ["x", "y"], None),
        (",x\nq,a\nw,b\n", ["column_1", "x"], None),
    ],
)
def test_each_column_gets_a_name_of_its_own(tmp_path: Path, text: str, columns: list[str], message: str | None) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    source = read(str(path))
    assert list(source.table) == columns
    assert message is None or message in " ".join(source.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "there is no such file"),
        ("empty.csv", b"", "the file is empty"),
        ("header.csv", b"a,b\n", "no row below it"),
        ("uneven.csv", b"a,b\n1,2\n1,2,3\n", "line 3 has 3 fields"),
        ("quote.csv", b'a,b\n1,"2\n', "line 2 cannot be read"),
        ("single.csv", b"a\n1\n2\n", "there is one column only"),
        ("book.xlsx", b"PK\x03\x04more", "this is a workbook or a zip file"),
        ("broken.parquet", b"PAR1nothing", "no Parquet file that can be read"),
        ("broken.csv.gz", b"\x1f\x8bnothing", "cannot be read"),
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as excinfo:
        read(str(tmp_path / name))
    assert name in str(excinfo.value)
