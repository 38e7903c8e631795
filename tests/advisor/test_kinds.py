"""Data files whose header or cells are wrong, as every command that reads files says it."""

from pathlib import Path

import numpy as np
import pytest

from losskit.advisor import recommend
from losskit.advisor.data.table import read_file
from losskit.advisor.recommendation.reading import recommend_file
from losskit.errors import InputError
from losskit.scoring import score

NUMBERS = "".join(f"{i},{i * i},{i * i}.5\n" for i in range(90))

HEADERS = {
    "twice.csv": ("x,y,Y\n" + NUMBERS, 'two columns are named "y"'),
    "ragged.csv": (
        "x,y,p\n" + NUMBERS + "1,2,3,4,5\n" + NUMBERS,
        "line 92 has 5 cells, and the header has 3",
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_do_not_fit(tmp_path: Path, name: str) -> None:
    content, message = HEADERS[name]
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        recommend_file(path, "y")
    with pytest.raises(InputError, match=message):
        read_file(path, "y")
    with pytest.raises(InputError, match=message):
        score([path], true="y", pred="x", losses="mae")


def test_a_name_that_only_looks_like_one_given_twice(tmp_path: Path) -> None:
    (tmp_path / "fine.csv").write_text("y,y_1,x_2\n" + NUMBERS)
    assert read_file(tmp_path / "fine.csv", "y").names == ("y_1", "x_2")


def test_one_column_with_a_comma_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text('"x, y"\n1\n2\n')
    with pytest.raises(InputError, match="no column is left"):
        read_file(tmp_path / "one.csv", "x, y")


def test_a_word_among_numbers_is_named(tmp_path: Path) -> None:
    path = tmp_path / "word.csv"
    path.write_text("x,y\n1,n.a.\n" + "".join(f"{i},{i * i}\n" for i in range(90)))
    with pytest.raises(InputError, match=r'Most of it is numbers, but "n\.a\." is none'):
        recommend_file(path, "y")
    path.write_text("x,y\n1,n.a.\n" + "".join(f"{i},{i}\n" for i in range(10_001)))
    with pytest.raises(InputError, match=r'different texts or more: too many for classes.*"n\.a\."'):
        recommend_file(path, "y")


def test_a_header_without_rows(tmp_path: Path) -> None:
    (tmp_path / "header.csv").write_text("x,y\n")
    with pytest.raises(InputError, match="a header but no rows"):
        recommend_file(tmp_path / "header.csv", "y")


def test_a_score_says_which_encoding_it_needs(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("größe,p\n1,2\n".encode("latin-1"))
    with pytest.raises(InputError, match="save it as UTF-8"):
        score([tmp_path / "latin.csv"], true="größe", pred="p", losses="mae")


def test_a_column_of_texts_has_no_stray_word() -> None:
    with pytest.raises(InputError) as caught:
        recommend(np.array([f"t{i}" for i in range(50)]))
    assert "numbers" not in str(caught.value)
