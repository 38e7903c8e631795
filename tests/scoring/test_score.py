"""Scores of files and columns: the numbers, and every bad input."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

import losskit as lk
from losskit.errors import InputError
from losskit.scoring import files, roles, score

ROWS = 5_000


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    y = rng.normal(size=ROWS) * 10
    return pd.DataFrame(
        {
            "y": y,
            "p": y + rng.standard_t(2, size=ROWS),
            "w": rng.integers(0, 4, ROWS) / 3,
            "town": rng.choice(["Ulm", "Rom", "Bonn"], ROWS),
            "shop": rng.integers(0, 5, ROWS),
        }
    )


@pytest.fixture(scope="module")
def folder(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table as files of three formats, whole and in parts."""
    home = tmp_path_factory.mktemp("files")
    with duckdb.connect() as database:
        database.register("t", table)
        for name, how in (("t.csv", "header"), ("t.parquet", "FORMAT parquet"), ("t.jsonl", "FORMAT json")):
            database.execute(f"COPY (FROM t) TO '{home / name}' ({how})")
        for i, (start, stop) in enumerate([(0, 1), (1, 1700), (1700, ROWS)]):
            database.execute(
                f"COPY (FROM t OFFSET {start} LIMIT {stop - start}) TO '{home}/{i}.parquet' (FORMAT parquet)"
            )
    return home


@pytest.fixture(autouse=True)
def numpy_engine() -> Iterator[None]:
    with lk.use_engine("numpy"):
        yield


ALL = {"true": "y", "pred": "p", "losses": ["huber(delta=2)", "mae", "mse"]}


def mean(loss: str, table: pd.DataFrame, weight: pd.Series | None = None) -> float:
    """The mean of exact sums, rounded once."""
    terms = lk.parse(loss).replace(reduction="none")(table["y"].to_numpy(), table["p"].to_numpy())
    w = np.ones(len(terms)) if weight is None else weight.to_numpy()
    return float(sum(map(Fraction, (terms * w).tolist())) / sum(map(Fraction, w.tolist())))


def test_means_are_those_of_exact_sums(table: pd.DataFrame, folder: Path) -> None:
    scores = score(folder / "t.parquet", **ALL)
    assert scores.rows == ROWS
    assert scores.losses == {loss: mean(loss, table) for loss in ALL["losses"]}


def test_the_same_bits_however_the_rows_come(
    table: pd.DataFrame, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**ALL, "by": ["town", "shop"], "weight": "w"}
    whole = score(folder / "t.parquet", **options)
    assert score(folder / "t.jsonl", **options) == whole
    assert score([folder / f"{i}.parquet" for i in (2, 0, 1)], **options) == whole
    shuffled = table.sample(frac=1.0, random_state=1)
    assert score(dict(shuffled), **options) == whole
    for module in (files, roles):
        monkeypatch.setattr(module, "ROWS", 512)
    monkeypatch.setattr(files, "_PIECE", 100)
    threads = lk.get_num_threads()
    try:
        for n in (1, 3):
            lk.set_num_threads(n)
            assert score(folder / "t.csv", **options) == whole
    finally:
        lk.set_num_threads(threads)


def test_groups_and_weights(table: pd.DataFrame, folder: Path) -> None:
    scores = score(folder / "t.csv", **ALL, by=["town", "shop"], weight="w")
    weighted = table[table["w"] > 0]
    assert scores.losses["mae"] == mean("mae", weighted, weighted["w"])
    assert scores.dropped == ROWS - len(weighted)
    assert scores.notes == (f"{scores.dropped} rows of weight 0 left out",)
    assert list(scores.by) == ["town", "shop"]
    assert list(scores.by["town"]) == ["Bonn", "Rom", "Ulm"]
    for name, group in weighted.groupby("town"):
        assert scores.by["town"][name].rows == len(group)
        assert scores.by["town"][name].losses["mse"] == mean("mse", group, group["w"])
    assert sum(group.rows for group in scores.by["shop"].values()) == scores.rows


def test_empty_cells_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("y,p,g\n1,2,a\n,2,a\nNA,nan,\n4,5.5,\n")
    scores = score(path, true="y", pred="p", losses="mae", by="g")
    assert scores.to_dict() == {
        "rows": 2,
        "losses": {"mae": 1.25},
        "by": {"g": {"": {"rows": 1, "mae": 1.5}, "a": {"rows": 1, "mae": 1.0}}},
        "dropped": 2,
        "notes": ['2 rows left out: a cell of "y" or "p" is empty'],
    }
    assert str(scores).endswith('Note: 2 rows left out: a cell of "y" or "p" is empty.')


def test_columns_of_many_kinds(tmp_path: Path) -> None:
    path = tmp_path / "kinds.parquet"
    duckdb.sql(
        "COPY (SELECT i % 2 = 0 AS yes, (i / 4)::DECIMAL(9, 3) AS share, i::HUGEINT AS huge, i::FLOAT AS narrow"
        f" FROM range(4) t(i)) TO '{path}' (FORMAT parquet)"
    )
    assert score(path, true="yes", pred="share", losses="mse").losses["mse"] == 0.46875
    assert score(path, true="huge", pred="narrow", losses="mae").losses["mae"] == 0.0
    float32 = {"y": np.float32([0.1]), "p": np.float32([0.3])}
    exact = abs(float(np.float32(0.3)) - float(np.float32(0.1)))
    assert score(float32, true="y", pred="p", losses="mae").losses["mae"] == exact


def test_losses_of_several_columns() -> None:
    data = {"y": [0, 2, 1], "a": [0.7, 0.2, 0.3], "b": [0.2, 0.2, 0.6], "c": [0.1, 0.6, 0.1]}
    scores = score(data, true="y", pred=["a", "b", "c"], losses="sparse_categorical_cross_entropy")
    assert scores.losses["sparse_categorical_cross_entropy"] == pytest.approx(
        -math.log(0.7 * 0.6 * 0.6) / 3, rel=1e-15
    )
    data = {"y": [0.0, 2.0], "m": [0.0, 1.0], "s": [1.0, 2.0]}
    loss = lk.LaplaceNLLLoss()
    assert score(data, true="y", pred=["m", "s"], losses=[loss]).losses == {
        "laplace_nll": loss([0.0, 2.0], [0.0, 1.0], [1.0, 2.0])
    }


def test_sums_and_losses_of_ones_own() -> None:
    class Quartic(lk.LossFunction):
        def compute(self, y_true, y_pred):
            return np.mean((y_pred - y_true) ** 4)

    data = {"y": [0.0, 0.0], "p": [1.0, 2.0]}
    losses = [Quartic(), "0.5*mse + 0.5*mae", lk.MeanAbsoluteError(reduction="sum")]
    assert list(score(data, true="y", pred="p", losses=losses).losses.values()) == [8.5, 2.0, 3.0]


def test_overflow_is_infinite_and_null() -> None:
    scores = score({"y": [0.0, 0.0], "p": [1e200, 1.0]}, true="y", pred="p", losses=["mse", "mae"])
    assert scores.losses["mse"] == math.inf
    assert scores.to_dict()["losses"] == {"mse": None, "mae": 5e199}


def test_progress(folder: Path) -> None:
    seen: list[tuple[float, float, int]] = []
    score([folder / "0.parquet", folder / "t.csv"], **ALL, progress=lambda *state: seen.append(state))
    done, totals, rows = zip(*seen, strict=True)
    assert set(totals) == {sum((folder / name).stat().st_size for name in ("0.parquet", "t.csv"))}
    assert list(done) == sorted(done)
    assert rows[-1] == ROWS + 1


CSV = "y,p,w,g\n1,2,1,a\n2,3,1,b\n"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (CSV, {"true": "yy"}, 'there is no column "yy". Did you mean "y"? The columns are: "y", "p", "w", "g".'),
        (CSV, {"by": "h"}, 'there is no column "h"'),
        (CSV, {"true": "g"}, 'line 2 has "a" in column "g", which is no number'),
        (CSV, {"losses": "hubber"}, "huber"),
        (CSV, {"losses": []}, "name each loss to score once; got none"),
        (CSV, {"losses": ["mae", "mae"]}, "once; got mae, mae"),
        (CSV, {"losses": lk.MeanSquaredError(reduction="none")}, 'reduction="none" is neither'),
        (CSV, {"losses": "dice"}, "is no loss of single rows"),
        (CSV, {"losses": "triplet"}, "is no loss of single rows"),
        (CSV, {"losses": "categorical_cross_entropy"}, "takes a distribution over the classes"),
        (CSV, {"losses": "sparse_categorical_cross_entropy"}, "one column for each class"),
        (CSV, {"losses": "gaussian_nll"}, "takes 2 columns"),
        (CSV, {"pred": ["p", "w"]}, "takes one column of predictions; got 2: p, w"),
        (CSV, {"pred": []}, "name at least one column of predictions"),
        (CSV, {"losses": "bce"}, 'row 1 of the data: bce: "p" must be in [0, 1], got 2'),
        ("y,p\n1,0.5\n,0.5\n2,0.5\n", {"losses": "bce"}, 'row 3 of the data: bce: "y" must be in [0, 1], got 2'),
        ("y,p\n1,1\n2,inf\n", {}, 'row 2 of the data: "p" is infinite (inf)'),
        ("y,p,w\n1,1,1\n2,2,-1\n", {"weight": "w"}, 'row 2 of the data: the weight "w" is -1'),
        ("y,p,w\n1,1,inf\n", {"weight": "w"}, 'row 1 of the data: "w" is infinite'),
        ("y,p\n1,1\n1,abc\n", {}, 'line 3 has "abc" in column "p", which is no number'),
        ("y,p\n", {}, "there is no row to score"),
        ("y,p\n,\n1,\n", {}, 'no row to score: 2 rows left out: a cell of "y" or "p" is empty'),
        ("y,p,w\n1,1,0\n", {"weight": "w"}, "no row to score: 1 row of weight 0 left out"),
        ("", {}, "the file is empty"),
        ("\0\1\2", {}, "the file is binary"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path: Path, text: str, options: dict[str, object], words: str) -> None:
    path = tmp_path / "preds.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        score(path, **{"true": "y", "pred": "p", "losses": "mae", **options})
    assert words in str(caught.value)
    if not {"losses", "pred"} & options.keys() and "no row" not in words:
        assert str(caught.value).startswith(str(path))


def test_the_first_bad_row_of_the_file_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROWS", 200)
    monkeypatch.setattr(files, "_PIECE", 100)
    good, bad = np.full(1000, 0.5), np.full(1000, 0.5)
    bad[[640, 641, 980]] = 1.5
    for name, p in (("good", good), ("bad", bad)):
        pd.DataFrame({"y": 1, "p": p}).to_csv(tmp_path / f"{name}.csv")
    with pytest.raises(
        InputError, match=r'bad\.csv, row 641 of the data: bce: "p" must be in \[0, 1\], got 1\.5'
    ):
        score([tmp_path / "good.csv", tmp_path / "bad.csv"], true="y", pred="p", losses=["mae", "bce"])


def test_class_indices_are_checked(tmp_path: Path) -> None:
    for y, words in (
        (1.5, 'row 2 of the data.*"y" must be class indices 0, 1, 2, ..., got 1.5'),
        (7, "row 2"),
    ):
        data = {"y": [0, y], "a": [0.5, 0.5], "b": [0.5, 0.5]}
        with pytest.raises(InputError, match=words):
            score(data, true="y", pred=["a", "b"], losses="sparse_categorical_cross_entropy")


def test_files_that_are_no_files(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes((folder / "t.parquet").read_bytes()[:500])
    (tmp_path / "broken.jsonl").write_text('{"y": 1, "p": 2}\n{"y": 1, ')
    (tmp_path / "text.jsonl").write_text('{"y": "a", "p": 2}\n')
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "broken.parquett", 'no such file. Did you mean "broken.parquet"?'),
        (tmp_path / "broken.parquet", "cannot be read as Parquet"),
        (tmp_path / "broken.jsonl", "cannot be read as JSON"),
        (tmp_path / "text.jsonl", 'column "y" holds text, not numbers'),
    ):
        with pytest.raises(InputError) as caught:
            score(path, true="y", pred="p", losses="mae")
        assert words in str(caught.value)
    with pytest.raises(InputError, match="name at least one file"):
        score([], **ALL)


def test_a_file_that_changes_meanwhile(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "grows.csv"
    path.write_bytes((folder / "t.csv").read_bytes())

    def grow(*_: object) -> None:
        with path.open("a") as stream:
            stream.write("1,2,1,Ulm,3\n")

    with pytest.raises(InputError, match=r"grows\.csv: the file changed while it was being read"):
        score(path, **ALL, progress=grow)


def test_names_that_look_like_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a[1]*.csv"
    path.write_text('"o\'y","p ""q"""\n1,2\n')
    assert score(path, true="o'y", pred='p "q"', losses="mae").losses == {"mae": 1.0}


def test_too_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "MOST_GROUPS", 2)
    data = {"y": [1.0, 2.0, 3.0], "p": [1.0, 2.0, 3.0], "id": [1, 2, 3]}
    with pytest.raises(InputError, match='"id" has more than 2 different values'):
        score(data, true="y", pred="p", losses="mae", by="id")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"y": [1.0], "p": [1.0, 2.0]}, 'differ in their number of rows: "y" has 1, "p" has 2'),
        ({"y": ["a"], "p": [1.0]}, 'column "y" holds <U1, not numbers'),
        ({"y": np.ones((2, 1)), "p": [1.0, 2.0]}, r"must have one axis, not the shape \(2, 1\)"),
        ({"y": np.array([1j]), "p": [1.0]}, "holds complex128, not numbers"),
        ({"p": [1.0]}, 'there is no column "y"'),
    ],
)
def test_bad_columns(data: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        score(data, true="y", pred="p", losses="mae")


def test_missing_in_columns() -> None:
    data = pd.DataFrame(
        {"y": pd.array([1, None, 3], "Int64"), "p": [1.0, 2.0, math.nan], "g": ["a", "a", None]}
    )
    scores = score(dict(data), true="y", pred="p", losses="mae", by="g")
    assert (scores.rows, scores.dropped, list(scores.by["g"])) == (1, 2, ["a"])


def test_the_fused_kernel_and_the_reference_agree(table: pd.DataFrame, folder: Path) -> None:
    losses = ["huber(delta=2)", "mae", "0.5*mse + 2*huber", "welsch(scale=2)", "quantile(quantile=0.25)"]
    reference = score(dict(table), true="y", pred="p", losses=losses)
    with lk.use_engine("numba"):
        assert score(folder / "t.parquet", true="y", pred="p", losses=losses) == reference
        careful = table.copy()
        careful.loc[17, "p"] = np.nan  # the kernel hands such a batch back
        seen = score(dict(careful), true="y", pred="p", losses=losses)
    assert (seen.rows, seen.dropped) == (ROWS - 1, 1)
    assert seen == score(dict(careful), true="y", pred="p", losses=losses)


def test_the_fused_kernel_checks_domains() -> None:
    good, bad = {"y": [1.0, -1.0], "p": [0.5, 2.0]}, {"y": [1.0, 0.5], "p": [0.5, 2.0]}
    with lk.use_engine("numba"):
        assert score(good, true="y", pred="p", losses="hinge").losses == {"hinge": 1.75}
        with pytest.raises(InputError, match=r'row 2 of the data: hinge: "y" must be -1 or \+1, got 0\.5'):
            score(bad, true="y", pred="p", losses="hinge")
        unchecked = lk.HingeLoss(validate=False)
        assert list(score(bad, true="y", pred="p", losses=unchecked).losses.values()) == [0.25]


def test_ray(table: pd.DataFrame, folder: Path) -> None:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        parts = [folder / f"{i}.parquet" for i in range(3)]
        options = {**ALL, "by": "town"}
        assert score(parts, **options, engine="ray") == score(folder / "t.parquet", **options)
        with pytest.raises(InputError, match='there is no column "q"'):
            score(parts, true="q", pred="p", losses="mae", engine="ray")
    finally:
        ray.shutdown()


def test_ray_takes_files() -> None:
    with pytest.raises(InputError, match='the engine "ray" scores files'):
        score({"y": [1.0], "p": [1.0]}, true="y", pred="p", losses="mae", engine="ray")
