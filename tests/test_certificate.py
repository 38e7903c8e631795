"""The certificate: that it covers what it says, finds what is planted, and keeps what it has measured."""

import sys
from pathlib import Path

import numpy as np
import pytest

import losskit as lk

sys.path.insert(0, str(Path(__file__).parents[1]))  # the certificate is no part of the installed package

import certificate.__main__ as command
from certificate import page, plan, results, table
from certificate.measuring import engines, sweeps
from certificate.measuring.ledger import VERBS, Ledger, Worst

from losskit import catalogue

EVERY = [(sign, exponent) for sign in (1, -1) for exponent in range(255)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Results of this test only; kernels stay where they are."""
    monkeypatch.setattr(results, "folder", lambda: tmp_path / "results")
    return tmp_path


def test_a_quick_run(folder, monkeypatch, capsys):
    output = folder / "page.md"
    status = command.main(["--quick", "--engine", "numba", "-o", str(output)])
    text = output.read_text(encoding="utf-8")
    assert status == ("### Beyond their bound" in text)
    for cls in plan.a_few():
        assert f"| [`{cls.name}`](losses/{cls.name}.md) | float32 |" in text
    assert "; 0 NaN, 0 dead gradients;" in text
    capsys.readouterr()

    monkeypatch.setattr(command, "steps", lambda cls, effort: pytest.fail("measured again"))
    assert command.main(["--quick", "--engine", "numba"]) == status
    shown = capsys.readouterr()
    assert f"{len(plan.a_few())} losses: " in shown.err
    assert all(cls.name in shown.out for cls in plan.a_few())


def test_every_loss_is_planned_for():
    built_in = [cls for cls in catalogue.all_losses() if cls.__module__.startswith("losskit.losses.")]
    assert set(plan.all_classes()) == set(built_in)
    assert {cls.structure for cls in plan.a_few()} == {cls.structure for cls in built_in}
    for cls in plan.all_classes():
        assert plan.sets_of(cls, plan.FULL)[:1] == plan.sets_of(cls, plan.QUICK)


def test_sweeps_cover_what_they_say():
    dense = list(sweeps.dense(EVERY, 1 << 15))
    assert sum(block.x.size for block in dense) >= 1 << 15
    for block in dense:
        ordinals = np.abs(block.x).view(np.uint32).astype(np.int64)
        first = max(block.exponent << 23, 1)
        last = (block.exponent + 1 << 23) - 1
        assert {*range(first, first + 8), *range(last - 7, last + 1)} <= set(ordinals.tolist())
        assert np.all(np.diff(ordinals) >= 0)
        assert np.all(np.sign(block.x) == block.sign)
        assert np.all(ordinals >> 23 == block.exponent)
    for dtype, finite in (("float16", 63488 - 2), ("bfloat16", 65280 - 2)):  # but the two zeros
        every = np.concatenate([block.x for block in sweeps.every_half(dtype, EVERY)])
        assert np.unique(every).size == every.size == finite


def test_a_sum_may_overflow_with_its_terms():
    """Half of x² + |x| is finite where x² is not; only exponents 0 and 191 are visited, x² overflows in the latter."""
    ledger = Ledger()
    with np.errstate(over="ignore"):
        assert np.isinf(np.float32(2e19) ** 2)
    sweeps.sweep(lk.CustomRegressionLoss(alpha=0.5), {"alpha": 0.5}, 1 << 11, 191, {"numba": ledger})
    assert ledger.of("float32", 0).passes(2.0)
    assert ledger.of("float32", 0).answers > 1 << 11


def planted(monkeypatch, at, change):
    """The ledger of the squared error's sweep on a kernel that is wrong at one number."""
    right = engines.ENGINES["numba"]

    def wrong(loss, arguments):
        value, (slope,), curvature = right(loss, arguments)
        change(arguments[1] == at, value, slope)
        return value, (slope,), curvature

    monkeypatch.setitem(engines.ENGINES, "numba", wrong)
    ledger = Ledger()
    sweeps.sweep(lk.MeanSquaredError(), {}, 1 << 11, 32, {"numba": ledger})
    return ledger


def test_a_wrong_value_is_found(monkeypatch):
    def change(there, value, slope):
        value[there] += 8 * np.spacing(value[there])

    worst = planted(monkeypatch, 3.0, change).of("float16", 0)
    assert (worst.error, worst.ulp) == (pytest.approx(4.0), 8.0)  # the condition of a square is 2
    assert worst.place == "MeanSquaredError(): y = 0, p = 3"
    assert worst.nans == worst.dead == 0
    assert not worst.passes(plan.bound_of(lk.MeanSquaredError, "float16", VERBS[0]))


def test_a_dead_gradient_and_nan_are_counted(monkeypatch):
    def change(there, value, slope):
        value[there] = np.nan
        slope[there] = 0.0

    ledger = planted(monkeypatch, -2.5, change)
    assert ledger.of("float16", 0).nans == 1
    assert ledger.of("float16", 1).dead == 1
    assert ledger.of("float16", 2) == Worst(answers=ledger.of("float16", 2).answers)


def test_a_miss_fails_and_is_marked(folder, monkeypatch, capsys):
    monkeypatch.setitem(plan.BOUNDS["elements"], "float32", 0.2)
    output = folder / "page.md"
    arguments = ["--quick", "--engine", "numpy", "--only", "mean_squared_error", "-o", str(output)]
    assert command.main(arguments) == 1
    assert "mean_squared_error, numpy, float32: value 0.2" in " ".join(capsys.readouterr().err.split())
    assert "| `MeanSquaredError()` | float32 | numpy | value | **0.2" in output.read_text(encoding="utf-8")


def test_what_cannot_be_measured_fails(folder, monkeypatch, capsys):
    def broken(cls, effort):
        yield 1, lambda ledgers: 1 / 0

    monkeypatch.setattr(command, "steps", broken)
    assert command.main(["--quick", "--engine", "numpy", "--only", "huber"]) == 1
    assert "huber cannot be measured: ZeroDivisionError" in capsys.readouterr().err


def test_results_hold_until_a_text_changes(folder, monkeypatch):
    cls, ledger = (
        lk.HuberLoss,
        Ledger({("float32", VERBS[0]): Worst(1.5, 3.0, "here", float("nan"), "1", 10, 1, 0)}),
    )
    results.store(cls, "numpy", plan.QUICK, ledger)
    assert repr(results.load(cls, "numpy", plan.QUICK)) == repr(ledger)
    assert results.load(cls, "numba", plan.QUICK) is None
    assert results.load(cls, "numpy", plan.FULL) is None
    monkeypatch.setattr(results, "texts_of", lambda engine: "another kernel")
    assert results.load(cls, "numpy", plan.QUICK) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "hubber"], '--only "hubber": unknown, or not installed. Did you mean "huber"?'),
        (["--engine", "nunpy"], '--engine "nunpy": unknown, or not installed. Did you mean "numpy"?'),
    ],
)
def test_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        command.main(arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_a_page_that_cannot_be_written(folder, capsys):
    assert (
        command.main(
            ["--quick", "--engine", "numpy", "--only", "hinge", "-o", str(folder / "no" / "page.md")]
        )
        == 2
    )
    assert "no/page.md" in "".join(capsys.readouterr().err.split())


def test_numbers_in_the_table():
    assert [table.number(x) for x in (0.0, 1.2345, 12.345, 1e7, float("inf"))] == [
        "0.00",
        "1.23",
        "12",
        "1e+07",
        "inf",
    ]
    assert table.table(["a"], [["|x|"]]) == "| a |\n| --- |\n| \\|x\\| |"


def test_the_committed_page_is_of_these_losses():
    text = command.PAGE.read_text(encoding="utf-8")
    before, after = page.introduction(["VERSIONS"], "DATE").split("VERSIONS, DATE")
    assert text.startswith(before), "docs/certificate.md is stale: make certificate"
    assert after in text
    for cls in plan.all_classes():
        assert f"`{cls.name}`" in text, f"{cls.name} is not in docs/certificate.md: make certificate"
