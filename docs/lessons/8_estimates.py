r"""
What a loss estimates
=====================

Nobody can predict a coin. Where the target is not determined by the features, the best prediction under a loss
:math:`L` is the number

.. math::

   c^* = \arg\min_c \; \mathbb E\, L(y, c),

a mean, a median, a quantile or a mode of what :math:`y` may be. Which of them is decided by the loss alone, before
there are any data.
"""

# %%
# Of a quantity
# -------------
#
# Waiting times at a counter: short mostly, sometimes very long. Draw the mean loss of a constant prediction, and see
# where each curve has its minimum.

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import losskit as lk
from losskit.scalar import sigmoid

rng = np.random.default_rng(0)
minutes = rng.gamma(1.5, 6.0, 2001)
constants = np.linspace(0.5, 30, 300)

LOSSES = {
    "squared error": lk.MeanSquaredError(),
    "absolute error": lk.MeanAbsoluteError(),
    "quantile 0.9": lk.QuantileLoss(quantile=0.9),
    "Cauchy, scale 1": lk.CauchyLoss(scale=1.0),
}
figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 5.4), sharex=True, height_ratios=[3, 2])
lower.hist(minutes, bins=np.arange(0, 41, 1), color="#d5dade")
for name, loss in LOSSES.items():
    curve = np.array([loss(minutes, np.full(minutes.size, c)) for c in constants])
    best = constants[curve.argmin()]
    (line,) = upper.plot(
        constants, (curve - curve.min()) / (curve[0] - curve.min()), label=f"{name}: {best:.1f}"
    )
    for axes in (upper, lower):
        axes.axvline(best, color=line.get_color(), linewidth=1.2, linestyle="--")
upper.set(ylim=(-0.05, 1.5), ylabel="loss above its minimum", title="One sample, four answers")
lower.set(xlim=(0, 30), xlabel="minutes", ylabel="customers")
upper.legend(loc="upper right")
plt.show()

print(
    f"mean {minutes.mean():.1f}, median {np.median(minutes):.1f}, 90 % quantile {np.quantile(minutes, 0.9):.1f}"
)

# %%
# The squared error gives the mean, the absolute error the median, the quantile loss the quantile asked for, and
# Cauchy's loss goes from the median towards the mode, the highest bar. None is wrong: staffing needs the mean, a
# typical customer is a median, and what nine in ten will not exceed is a quantile.
#
# Under symmetric noise mean, median and mode agree, and a robust loss is a better way to the same number. Under skewed
# noise it answers another question.

# %%
# Of a probability
# ----------------
#
# Now let :math:`y` be 1 with probability 0.3 and else 0. A loss whose expectation is least at 0.3 is called *proper*.

p = np.linspace(0.002, 0.998, 499)
PROPER = {
    "cross-entropy": lk.BinaryCrossEntropy(reduction="none"),
    "squared error": lk.MeanSquaredError(reduction="none"),
    "focal, γ = 2": lk.FocalLoss(gamma=2.0, reduction="none"),
    "absolute error": lk.MeanAbsoluteError(reduction="none"),
}
figure, axes = plt.subplots(figsize=(8, 3.8))
axes.axvline(0.3, color="#d5dade", linewidth=7)
for name, loss in PROPER.items():
    expected = 0.3 * loss(np.ones(p.size), p) + 0.7 * loss(np.zeros(p.size), p)
    least = expected.argmin()
    (line,) = axes.plot(p, expected, label=f"{name}: least at {p[least]:.2f}")
    axes.plot(p[least], expected[least], "o", color=line.get_color(), clip_on=False)
axes.set(xlim=(0, 1), ylim=(0, 1.5), xlabel="predicted probability", ylabel="expected loss")
axes.set_title("The truth is 0.3")
axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
plt.show()

# %%
# Cross-entropy and the squared error are proper. The focal loss asks for more doubt than there is; under the absolute
# error one had better say 0, so that what looks like a probability is only a side.

# %%
# Calibration
# -----------
#
# A model is *calibrated* if of all cases to which it gives 30 %, three in ten come true. Fit one logistic model under
# each loss, sort its predictions into ten bins, and compare what it says with what happens.


def fit(loss, features, labels):
    """The coefficients of a logistic model, by BFGS on value and derivative of the loss."""

    def objective(coefficients):
        p = sigmoid(features @ coefficients)
        value, slope = loss.value_and_derivative(labels, p)
        return value, features.T @ (slope * p * (1 - p))

    return minimize(objective, np.zeros(features.shape[1]), jac=True).x


features = np.column_stack([np.ones(6000), rng.normal(size=(6000, 2))])
happens = (rng.uniform(size=6000) < sigmoid(features @ [-0.5, 1.5, -1.0])).astype(float)

MODELS = {
    "cross-entropy": lk.BinaryCrossEntropy(),
    "label smoothing 0.2": lk.BinaryCrossEntropy(label_smoothing=0.2),
    "focal, γ = 2": lk.FocalLoss(gamma=2.0),
}
figure, axes = plt.subplots(figsize=(5.6, 4.8))
axes.plot([0, 1], [0, 1], color="#d5dade", linewidth=6)
for name, loss in MODELS.items():
    said = sigmoid(features @ fit(loss, features, happens))
    bins = np.digitize(said, np.quantile(said, np.arange(0.1, 1.0, 0.1)))
    says = np.array([said[bins == k].mean() for k in range(10)])
    came = np.array([happens[bins == k].mean() for k in range(10)])
    axes.plot(says, came, "o-", markersize=4, label=f"{name}: off by {np.abs(says - came).mean():.3f}")
axes.set(xlabel="what the model says", ylabel="what happens", title="Reliability")
axes.legend(loc="upper left", fontsize=9)
plt.show()

# %%
# Label smoothing and the focal loss are too cautious on both sides: here, where the model is right and data are plenty,
# that is an error. In a network that has learnt its training rows by heart and is far too sure, the same pull is a
# cure. Calibration is a property of loss, model and data together; look at the picture.

# %%
# Question
# --------
#
# The mean squared *logarithmic* error is :math:`\frac1n \sum_i (\log(1 + \hat y_i) - \log(1 + y_i))^2`. **Which
# constant is the best prediction for an array of targets?** Write it as a function of the array.


def check_answer(best_constant):
    """Whether no other constant has a smaller mean squared logarithmic error."""
    loss = lk.MeanSquaredLogarithmicError()
    for y in (np.array([0.0, 3.0]), np.array([1.0, 2.0, 4.0, 100.0]), minutes):
        answer = float(best_constant(y))
        slope = loss.derivative(y, np.full(y.size, answer)).sum()
        if abs(slope) > 1e-9:
            return f"Not yet: for {y[:4]} the best constant lies {'above' if slope < 0 else 'below'} {answer:.4g}."
    return "Right: it estimates the mean of log(1 + y), and that is less than the mean of y suggests."


print(check_answer(np.mean))
