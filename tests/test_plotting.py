"""Pictures of losses: the right curves, for every loss, written whole or not at all."""

from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest

import losskit as lk
from losskit.errors import InputError
from losskit.plotting import plot
from losskit.structures import ResidualLoss
from losskit.views import VIEWS, view_of


def curves(figure: Any) -> dict[str, list[Any]]:
    """The curves of each panel, without the line at 0."""
    return {axes.get_title(loc="left"): axes.get_lines()[:-1] for axes in figure.axes}


def test_the_curves_are_the_loss() -> None:
    panels = curves(plot("huber(delta=2)", "mse"))
    x = panels["value"][0].get_xdata()
    np.testing.assert_allclose([x[0], x[-1]], [-4, 4])
    a = np.abs(x)
    np.testing.assert_allclose(panels["value"][0].get_ydata(), np.where(a <= 2, x**2 / 2, 2 * (a - 1)))
    np.testing.assert_allclose(panels["slope"][0].get_ydata(), np.clip(x, -2, 2))
    np.testing.assert_allclose(panels["curvature"][1].get_ydata(), 2.0)


def test_two_targets_two_styles() -> None:
    one, zero = curves(plot("binary_cross_entropy", what="value"))["value"]
    p = one.get_xdata()
    np.testing.assert_allclose(one.get_ydata(), -np.log(p), rtol=1e-12)
    np.testing.assert_allclose(zero.get_ydata(), -np.log1p(-p), rtol=1e-12)
    assert (one.get_linestyle(), zero.get_linestyle()) == ("-", "--")


def test_rows() -> None:
    (value,) = curves(plot("sparse_categorical_cross_entropy(from_logits=True)", what=["value"]))["value"]
    z = value.get_xdata()
    np.testing.assert_allclose(value.get_ydata(), np.log(2 + np.exp(z)) - z, rtol=1e-12)
    (slope,) = curves(plot("sparse_categorical_cross_entropy", what=["slope"]))["slope"]
    np.testing.assert_allclose(slope.get_ydata(), -1 / slope.get_xdata(), rtol=1e-12)


def made(name: str) -> lk.LossFunction:
    required: dict[str, dict[str, Any]] = {
        "weighted_cross_entropy": {"class_weights": (1, 2)},
        "barron": {"alpha": -2},
    }
    return lk.get(name, **required.get(name, {}))


@pytest.mark.parametrize("name", lk.list_losses())
def test_every_loss_can_be_drawn(name: str) -> None:
    loss = made(name)
    kinds = [loss]
    if loss.parameters().get("from_logits") is False:
        kinds.append(loss.replace(from_logits=True))
    figure = plot(*kinds)
    assert len(figure.axes) == 3 * len(kinds)
    assert {view_of(kind) for kind in kinds} <= VIEWS.keys()
    for lines in curves(figure).values():
        assert all(np.isfinite(line.get_ydata()).any() for line in lines)


def test_losses_of_one_kind_share_a_row() -> None:
    figure = plot("mse", "hinge", "mae", what=["value", "slope"])
    assert len(figure.axes) == 4
    assert [len(axes.get_lines()) - 1 for axes in figure.axes] == [2, 2, 1, 1]
    assert [axes.get_legend() is not None for axes in figure.axes] == [False, True, False, True]
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == ["mean_squared_error", "mean_absolute_error"]


def test_a_loss_of_ones_own() -> None:
    class ByHand(lk.LossFunction):
        def compute(self, y_true: Any, y_pred: Any) -> Any:
            return np.mean((y_pred - y_true) ** 4)

        def derivative(self, y_true: Any, y_pred: Any) -> Any:
            return 4 * (y_pred - y_true) ** 3 / y_true.size

    assert view_of(ByHand()) == "residual"
    panels = curves(plot(ByHand(), what=["value", "slope"]))
    np.testing.assert_allclose(panels["slope"][0].get_ydata(), 4 * panels["slope"][0].get_xdata() ** 3)


def test_a_scale_widens_the_range() -> None:
    (line,) = curves(plot("huber(delta=70)", what="value"))["value"]
    assert line.get_xdata()[-1] > 70
    (line,) = curves(plot("huber(delta=70)", what="value", low=-1, high=2))["value"]
    np.testing.assert_allclose(line.get_xdata()[[0, -1]], [-1, 2])


def test_a_curve_far_above_the_others_is_cut_off() -> None:
    axes = plot("mae", "mse", "huber", "cauchy", what="value", low=-100, high=100).axes[0]
    assert axes.get_ylim()[1] < 1000


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_text("old")
    plot("mse", output=path)
    assert path.stat().st_size > 3000
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    path.write_text("old")

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", fails)
    with pytest.raises(InputError, match="No space left on device"):
        plot("mse", output=path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_refused() -> None:
    for arguments, options, words in (
        ((), {}, "no loss to draw"),
        (("mse",), {"what": ["valu"]}, 'Did you mean "value"'),
        (("mse",), {"what": []}, "nothing to draw"),
        (("mse",), {"low": 1, "high": 1}, "from a lower to a higher"),
        (("mse",), {"output": "x"}, "without knowing its format"),
        (("binary_cross_entropy",), {"low": -1, "high": 2}, "cannot be drawn at -1"),
        (("mse + hinge",), {}, "functions of different things"),
    ):
        with pytest.raises(InputError, match=words):
            plot(*arguments, **options)


def test_no_window_is_touched() -> None:
    """A figure of ours is not known to pyplot, so nothing shows and nothing leaks."""
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plot(ResidualLoss.__subclasses__()[0](), what="value")
    assert plt.get_fignums() == before
