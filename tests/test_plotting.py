"""Pictures of losses: the right curves, for every loss, written whole or not at all."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
import typer
from matplotlib.backends.backend_agg import FigureCanvasAgg
from typer.testing import CliRunner

import losskit as lk
from losskit.catalogue import find
from losskit.checking import Report
from losskit.commands.plot import plot as command
from losskit.domain import PROBABILITY
from losskit.errors import InputError
from losskit.facts import specimen
from losskit.laws.law import Finding
from losskit.pictures import maps
from losskit.pictures.maps import plot_map
from losskit.pictures.marking import plot_report
from losskit.pictures.planes import plane_of, sampled
from losskit.pictures.plotting import plot
from losskit.pictures.views import TERMS, VIEWS, subject_of, view_of
from losskit.structures import ResidualLoss


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


@pytest.mark.parametrize("name", lk.list_losses())
def test_every_loss_can_be_drawn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, view in VIEWS.items():
        monkeypatch.setitem(VIEWS, kind, replace(view, points=31))
    loss = specimen(find(name))
    kinds = [loss]
    if loss.parameters().get("from_logits") is False:
        kinds.append(loss.replace(from_logits=True))
    figure = plot(*kinds)
    assert len(figure.axes) == 3 * len({subject_of(kind)[0] for kind in kinds})
    for lines in curves(figure).values():
        assert all(np.isfinite(line.get_ydata()).all() for line in lines)


@pytest.mark.parametrize("name", ["contrastive", "distillation", "ssim", "gaussian_kl_divergence"])
def test_a_line_has_the_derivatives_of_its_value(name: str) -> None:
    panels = curves(plot(name))
    (value,), (slope,), (curvature,) = (panels[what] for what in ("value", "slope", "curvature"))
    x, y = value.get_xdata(), value.get_ydata()
    assert (x[0], x[-1]) == (0.0, 1.0)
    s = slope.get_ydata()
    np.testing.assert_allclose(np.gradient(y, x)[2:-2], s[2:-2], rtol=0.02, atol=0.05 * np.abs(s).max())
    c = curvature.get_ydata()
    np.testing.assert_allclose(np.gradient(s, x)[2:-2], c[2:-2], rtol=0.02, atol=0.1 * np.abs(c).max())


def test_a_line_goes_from_one_example_to_another() -> None:
    loss = lk.TripletLoss()
    start, end = (loss.example(np.random.default_rng(seed), TERMS) for seed in (0, 1))
    (value,) = curves(plot(loss, what="value"))["value"]
    np.testing.assert_allclose(value.get_ydata()[[0, -1]], [loss.compute(*start), loss.compute(*end)])


def test_kinks_of_a_line_are_no_spikes() -> None:
    (curvature,) = curves(plot("total_variation", what="curvature"))["curvature"]
    np.testing.assert_allclose(curvature.get_ydata(), 0.0, atol=1e-6)


def test_a_sum_of_losses_of_the_same_arrays() -> None:
    (mixed,), (dice,), (iou,) = (
        curves(plot(text, what="slope"))["slope"] for text in ("0.5*dice + 2*iou", "dice", "iou")
    )
    np.testing.assert_allclose(mixed.get_ydata(), 0.5 * dice.get_ydata() + 2 * iou.get_ydata(), atol=1e-12)


def test_losses_of_the_same_arrays_share_a_row() -> None:
    figure = plot("dice", "triplet", "iou", what="value")
    assert [len(axes.get_lines()) - 1 for axes in figure.axes] == [2, 1]
    assert [axes.get_xlabel().split(":")[0] for axes in figure.axes] == [
        "y_pred",
        "anchor, positive, negative",
    ]


def test_as_many_classes_as_the_parameters_say() -> None:
    (value,) = curves(plot("logit_adjusted(class_priors=(1, 1, 1, 1))", what="value"))["value"]
    z = value.get_xdata()
    np.testing.assert_allclose(value.get_ydata(), np.log(3 + np.exp(z)) - z, rtol=1e-12)


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


def test_a_sweep_draws_each_value() -> None:
    panels = curves(plot("huber", "mae", what="slope", sweep={"delta": [0.5, 1, 2]}))
    heights = [line.get_ydata().max() for line in panels["slope"]]
    assert heights == [0.5, 1.0, 2.0, 1.0]
    assert len({str(line.get_color()) for line in panels["slope"]}) == 4


def test_a_sweep_of_two_parameters_draws_every_pair() -> None:
    axes = plot("tversky", what="value", sweep={"alpha": [0.3, 0.5], "smooth": [0, 1]}).axes[0]
    assert len(axes.get_lines()) - 1 == 4
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert all("alpha=" in label and "smooth=" in label for label in labels)
    assert len(set(labels)) == 4


def test_a_logarithmic_scale_keeps_signs() -> None:
    value, slope = plot("logistic", what=["value", "slope"], log=True).axes
    assert (value.get_yscale(), slope.get_yscale()) == ("log", "symlog")
    low, high = value.get_ylim()
    assert low > 0.0
    assert high / low <= 1e6 * (1 + 1e-9)


def test_what_a_domain_says_of_the_axis() -> None:
    class OfProbabilities(lk.ElementwiseLoss):
        targets = predictions = PROBABILITY

        @lk.rule
        def value(y: Any, p: Any) -> Any:
            return (y - p) * (y - p)

        @lk.rule
        def slope(y: Any, p: Any) -> Any:
            return 2.0 * (p - y)

        @lk.rule
        def curvature(y: Any, p: Any) -> Any:
            return 2.0 + 0.0 * p

    assert view_of(OfProbabilities()) == "probability"


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps of few points."""
    monkeypatch.setattr(maps, "POINTS", 9)
    monkeypatch.setattr(maps, "ARROWS", 4)


def test_a_map_of_two_logits() -> None:
    loss = lk.SparseCategoricalCrossEntropy(from_logits=True)
    points = plane_of(loss).points(5)
    assert points.shape == (25, 2)
    values, slopes = sampled(loss, plane_of(loss), points)
    np.testing.assert_allclose(values, np.log1p(np.exp(points[:, 1] - points[:, 0])), rtol=1e-12)
    np.testing.assert_allclose(slopes.sum(axis=1), 0.0, atol=1e-15)


def test_a_map_has_no_hole_where_the_loss_is_largest() -> None:
    figure = plot_map("categorical_focal(from_logits=True)")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    across, up = figure.axes[0].transData.transform((-3.9, 3.9)).astype(int)
    pixels = np.asarray(canvas.buffer_rgba())
    assert pixels[len(pixels) - up, across, :3].max() < 128  # the darkest blue, not white


def test_a_map_of_three_probabilities() -> None:
    loss = lk.CategoricalCrossEntropy()
    plane = plane_of(loss)
    points = plane.points(9)
    np.testing.assert_allclose(points.sum(axis=1), 1.0)
    values, _ = sampled(loss, plane, points)
    assert plane.target is not None
    assert np.abs(points[values.argmin()] - plane.target).max() < 0.1
    np.testing.assert_allclose(plane.places(np.eye(3)[0]), [0.5, np.sqrt(3) / 2])


def test_a_map_of_a_mask() -> None:
    loss = lk.DiceLoss(smooth=0.0)
    points = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    values, _ = sampled(loss, plane_of(loss), points)
    np.testing.assert_allclose(values, [0.0, 0.5, 1.0], atol=1e-15)


@pytest.mark.usefixtures("coarse")
def test_maps_are_panels_with_a_scale_each(tmp_path: Path) -> None:
    path = tmp_path / "maps.svg"
    losses = ("focal_tversky", "lovasz", "categorical_hinge")
    figure = maps.plot_map(*losses, sweep={"gamma": [0.5, 1]}, output=path)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == 8
    assert ["gamma=0.5" in titles[0], "gamma=1" in titles[1], titles[2]] == [True, True, "lovasz"]
    assert titles[4:] == ["value"] * 4
    assert path.stat().st_size > 3000
    figure = maps.plot_map("categorical_cross_entropy", what="slope")
    assert figure.axes[-1].get_title(loc="left") == "|slope|"


WITH_MAPS = [n for n in lk.list_losses() if find(n).structure in {"rows", "overlap", "gaps"}]


@pytest.mark.parametrize("name", WITH_MAPS)
def test_every_loss_of_rows_or_masks_has_a_map(name: str) -> None:
    loss = specimen(find(name))
    if name == "logit_adjusted":
        loss = loss.replace(class_priors=(0.9, 0.1))
    plane = plane_of(loss)
    values, slopes = sampled(loss, plane, plane.points(4))
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()


def test_a_report_is_drawn_with_its_marks(tmp_path: Path) -> None:
    class Backwards(lk.ResidualLoss):
        @lk.rule
        def value(r: Any) -> Any:
            return r * r

        @lk.rule
        def slope(r: Any) -> Any:
            return -2.0 * r

        @lk.rule
        def curvature(r: Any) -> Any:
            return 2.0 + 0.0 * r

    loss = Backwards()
    with lk.use_engine("numpy"):
        figure = plot_report(lk.check(loss), loss, tmp_path / "report.png")
    assert "Backwards(): 2 findings" in figure.get_suptitle()
    assert "opposite in sign" in figure.get_supxlabel()
    value, slope, _ = figure.axes
    rings = [line.get_xydata()[0] for line in slope.get_lines() if len(line.get_xdata()) == 1]
    np.testing.assert_allclose(rings[:2], [(0.5, -1.0), (0.5, 1.0)])  # what came, what is true
    assert all(len(line.get_xdata()) > 1 for line in value.get_lines())


def test_findings_beyond_the_range_share_a_label_at_its_edge() -> None:
    loss = lk.MeanSquaredError()
    found = [
        Finding("error", f"the value at y_pred = {p:g} is 1", y=0.0, p=p, got=1.0, expected=2.0)
        for p in (-50.0, 60.0, 70.0, 1.0, 80.0)
    ]
    figure = plot_report(Report("mse", tuple(found), ()), loss)
    value = figure.axes[0]
    assert {text.get_text() for text in value.texts} == {
        "\u2190 1",
        "2, 3 \u2192",
        "4",
    }  # the fifth is not written out
    rings = [line for line in value.get_lines() if len(line.get_xdata()) == 1]
    assert {float(ring.get_xdata()[0]) for ring in rings} == {1.0}


def test_a_loss_without_curves_has_a_report() -> None:
    class Broken(lk.LossFunction):
        def compute(self, y_true: Any, y_pred: Any) -> Any:
            raise TypeError("never computed")

    figure = plot_report(lk.check(Broken()), Broken())
    assert not figure.axes
    assert "never computed" in figure.get_supxlabel()


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
        (("dice + triplet",), {}, "functions of different things: anchor, positive, negative, y_pred"),
        (
            ("mae", "mse"),
            {"sweep": {"delta": [1]}},
            'no parameter "delta" to sweep. Losses with delta: huber',
        ),
        (("huber",), {"sweep": {"delt": [1]}}, 'Did you mean "delta"'),
        (("huber",), {"sweep": {"delta": []}}, "has no values"),
        (("huber",), {"sweep": {"delta": [-1]}}, "delta must be"),
    ):
        with pytest.raises(InputError, match=words):
            plot(*arguments, **options)
    for arguments, options, words in (
        ((), {}, "no loss to draw"),
        (("mse",), {}, "has no map"),
        (("dice",), {"what": "curvature"}, "no map shows"),
        (("dice + iou(from_logits=True)",), {}, "different"),
        (("logit_adjusted(class_priors=(1, 1, 1))",), {}, "has no map: class_priors has 3 numbers"),
    ):
        with pytest.raises(InputError, match=words):
            maps.plot_map(*arguments, **options)


def test_no_window_is_touched() -> None:
    """A figure of ours is not known to pyplot, so nothing shows and nothing leaks."""
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plot(ResidualLoss.__subclasses__()[0](), what="value")
    assert plt.get_fignums() == before


@pytest.fixture
def run() -> Any:
    """The command alone, as a program of its own."""
    app = typer.Typer()
    app.command()(command)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.usefixtures("coarse")
def test_the_command(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    options = ("--sweep", "delta=0.5,2", "--what", "value,slope", "--log", "-o", path)
    assert run("huber", *options).exit_code == 0
    text = path.read_text()
    assert run("dice", "--map", "-o", path).exit_code == 0
    assert path.read_text() != text
    assert run("--help").stdout.count("Example:") == 2
    for arguments, words in (
        (("huber", "--sweep", "delta", "-o", path), "not of the form"),
        (("mse", "--sweep", "delta=1", "-o", path), "Losses with delta"),
        (("dice", "--map", "--log", "-o", path), "leave out --log"),
        (("mse", "--what", "valu", "-o", path), 'Did you mean "value"'),
    ):
        answer = run(*arguments)
        assert isinstance(answer.exception, InputError)
        assert words in str(answer.exception)
