"""Reading data sets: what is understood, and what is refused with which words."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from losskit.advisor.data.table import EXAMPLES, from_columns, load_example, read_file
from losskit.errors import InputError

MIXED = """id,size,colour,day,yes,price
a1,1.5,red,2024-01-01,true,10
b2,,blue,2024-01-03,false,20
c3,3.5,NA,,true,30
d4,inf,red,2024-01-02,true,
"""


def write(folder: Path, text: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_columns_of_every_kind(tmp_path: Path) -> None:
    table = read_file(write(tmp_path, MIXED), "price")
    assert table.rows == 3
    assert table.is_numeric
    by_name = dict(zip(table.names, table.features.T, strict=True))
    levels = dict(zip(table.names, table.categories, strict=True))
    assert levels == {"id": ("a1", "b2", "c3"), "size": None, "colour": ("blue", "red"), "day": None,
                      "yes": ("false", "true")}  # fmt: skip
    np.testing.assert_array_equal(by_name["size"], [1.5, np.nan, 3.5])
    np.testing.assert_array_equal(by_name["colour"], [1, 0, np.nan])
    np.testing.assert_array_equal(by_name["day"], [19723, 19725, np.nan])
    assert table.notes == (
        'dates taken as days since 1970: "day"',
        '1 row without a value in "price" left out',
    )


def test_csv_parquet_and_json_lines_agree(tmp_path: Path) -> None:
    csv = write(tmp_path, MIXED)
    for name, how in (("data.parquet", "FORMAT parquet"), ("data.jsonl", "FORMAT json")):
        other = tmp_path / name
        duckdb.sql(f"COPY (FROM read_csv('{csv}', nullstr=['', 'NA'])) TO '{other}' ({how})")
        a, b = read_file(csv, "price"), read_file(other, "price")
        assert (a.names, a.categories) == (b.names, b.categories)
        np.testing.assert_array_equal(a.features, b.features)
        np.testing.assert_array_equal(a.labels, b.labels)


def test_text_in_other_encodings(tmp_path: Path) -> None:
    text = "name,y\ncafé,1\nthé,2\ncafé,3\n"
    for encoding in ("latin-1", "utf-16", "utf-8"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(text.encode(encoding))
        assert read_file(path, "y").categories == (("café", "thé"),)


def test_a_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    path = write(tmp_path, "a,y\n1,2\n2,3\n", "data[1]*.csv")
    write(tmp_path, "a,y\n5,6\n", "data1x.csv")
    assert read_file(path, "y").rows == 2


def test_a_data_frame_and_a_mapping() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, None], "b": ["x", None, "y"], "y": [1, 2, 3]})
    frame["b"] = frame["b"].astype("category")
    table = from_columns({name: frame[name] for name in frame.columns}, "y")
    np.testing.assert_array_equal(table.features, [[1, 0], [2, np.nan], [np.nan, 1]])
    frame["day"] = pd.to_datetime(["1970-01-02", "1970-01-03", None])
    table = from_columns(dict(frame), "y")
    np.testing.assert_array_equal(table.features[:, 2], [1, 2, np.nan])
    assert table.notes == ('dates taken as days since 1970: "day"',)


def test_useless_columns_are_left_out_and_named() -> None:
    n = 100
    table = from_columns(
        {
            "x": np.arange(n),
            "same": np.ones(n),
            "same too": ["a"] * n,
            "empty": [None] * n,
            "key": [f"k{i}" for i in range(n)],
            "y": np.arange(n),
        },
        "y",
    )
    assert table.names == ("x",)
    assert table.notes == (
        'left out, for every row has the same value: "same", "same too"',
        'left out, for every cell is empty: "empty"',
        'left out, for nearly every row has a text of its own: "key"',
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str) -> None:
    rows = {"diabetes": 442, "breast-cancer": 569, "digits": 1797, "wine": 178}
    assert load_example(name).rows == rows[name]


BAD: dict[str, tuple[bytes, str, tuple[str, ...]]] = {
    "empty.csv": (b"", "y", ("empty.csv", "the file is empty")),
    "blank.csv": (b"  \n\n", "y", ("the file is empty",)),
    "header.csv": (b"a,y\n", "y", ("a header but no rows",)),
    "column.csv": (b"a,price\n1,2\n3,4\n", "prize", ('"prize"', 'Did you mean "price"?', '"a", "price"')),
    "missing.csv": (b"a,y\n1,\n2,NA\n", "y", ('"y"', "no value in any of its 2 rows")),
    "constant.csv": (b"a,y\n1,7\n2,7\n", "y", ('"y"', "is 7 in every row")),
    "text.csv": (b"a,y\n1,no\n2,no\n", "y", ('is "no" in every row',)),
    "infinite.csv": (b"a,y\n1,2\n2,inf\n3,4\n", "y", ('"y"', "infinite (inf) in row 2")),
    "alone.csv": (b"y\n1\n2\n", "y", ("no column is left",)),
    "garbage.csv": (bytes(range(256)) * 40, "y", ("garbage.csv", "binary")),
    "broken.parquet": (b"PAR1" + b"x" * 99, "y", ("broken.parquet", "cannot be read as Parquet")),
    "torn.parquet": (b"", "y", ("the file is empty",)),
    "text.parquet": (b"a,y\n1,2\n", "y", ("cannot be read as Parquet",)),
    "broken.json": (b'{"a": 1, "y"', "y", ("cannot be read as JSON",)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path: Path, name: str) -> None:
    content, target, words = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_file(path, target)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert len(message) < 700


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, "a,y\n1,2\n", "houses.csv")
    with pytest.raises(InputError, match=r'there is no such file\. Did you mean "houses.csv"\?'):
        read_file(tmp_path / "house.csv", "y")
    with pytest.raises(InputError, match="is a folder"):
        read_file(tmp_path, "y")
    with pytest.raises(InputError, match="no such file"):
        read_file(tmp_path / "nowhere" / "x.csv", "y")


def test_columns_that_cannot_be_features(tmp_path: Path) -> None:
    path = tmp_path / "nested.parquet"
    duckdb.sql(f"COPY (SELECT range AS y, [range] AS list, range % 3 AS x FROM range(9)) TO '{path}'")
    table = read_file(path, "y")
    assert table.names == ("x",)
    assert any('"list" left out' in note for note in table.notes)
