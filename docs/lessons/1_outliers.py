r"""
Regression under outliers
=========================

A sensor drops out, a decimal point slips: most data hold a few targets that are simply wrong. Whether a model follows
them is decided by its loss.

Let :math:`r = \hat y - y` be the residual of one example, prediction minus target. Three classic losses of it are

.. math::

   \text{squared error: } r^2, \qquad
   \text{absolute error: } |r|, \qquad
   \text{Huber: } \begin{cases} \frac12 r^2 & |r| \le \delta \\ \delta\,(|r| - \frac12 \delta) & |r| > \delta.\end{cases}
"""

# %%
# Look at the slope
# -----------------
#
# Gradient descent never sees the value of a loss, only its slope. The slope at :math:`r` is the force with which one
# example pulls at its own prediction. Cauchy's loss joins the three, as one whose slope returns to 0.

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq

import losskit as lk
from losskit.advisor import LossRegressor

lk.plot("mean_squared_error", "mean_absolute_error", "huber(delta=1)", "cauchy(scale=1)", low=-6, high=6)

# %%
# - Under the **squared error** an example that is ten times as far off pulls ten times as hard.
# - Under the **absolute error** all pull alike; only the side counts.
# - **Huber's** loss is the former within :math:`\delta` and the latter beyond.
# - Under **Cauchy's** loss the pull fades: what is far enough away is ignored. The price is that the loss is not
#   convex, so a fit may end in a local minimum.
#
# :doc:`/losses/README` has a page for each, with formulas, parameters and references.

# %%
# One bad reading
# ---------------
#
# Predict the same number :math:`c` for all of eleven readings, the best by each loss, and move one reading further and
# further away. The best :math:`c` is where the pulls add up to 0: :math:`\sum_i L'(c - y_i) = 0`.

# sphinx_gallery_thumbnail_number = 3
LOSSES = {
    "squared error": lk.MeanSquaredError(),
    "absolute error": lk.MeanAbsoluteError(),
    "Huber, δ = 1": lk.HuberLoss(delta=1.0),
    "Cauchy, scale 1": lk.CauchyLoss(scale=1.0),
}
good = np.array([-1.3, -0.8, -0.5, -0.2, -0.1, 0.1, 0.2, 0.4, 0.9, 1.4])
bad = np.linspace(0, 20, 101)


def best_constant(loss, readings):
    """Where the derivative changes its sign, near the median."""
    middle = np.median(readings)

    def pull(c):
        return loss.derivative(readings, np.full(readings.size, c)).sum()

    return brentq(pull, middle - 3, middle + 3)


figure, axes = plt.subplots(figsize=(7.5, 3.6))
for name, loss in LOSSES.items():
    axes.plot(bad, [best_constant(loss, np.append(good, b)) for b in bad], label=name)
axes.set(xlabel="where the bad reading lies", ylabel="best constant", title="What one bad reading can do")
axes.legend()
plt.show()

# %%
# The squared error gives the mean, and one reading can drag the mean anywhere. The absolute error gives a median, and
# Huber's loss something between the two: both move a little and then stop. Cauchy's loss moves, and comes back.

# %%
# A line through bad data
# -----------------------
#
# The same in two dimensions: forty points along :math:`y = 2x + 1`, six of them spoilt.
# ``LossRegressor`` fits a linear model under any loss.

rng = np.random.default_rng(7)
x = np.sort(rng.uniform(0, 5, 40))
y = 2 * x + 1 + rng.normal(0, 0.6, x.size)
spoilt = x > x[-7]
y[spoilt] -= 12

figure, axes = plt.subplots(figsize=(7.5, 4.2))
axes.scatter(x[~spoilt], y[~spoilt], color="#6b7785", s=22)
axes.scatter(x[spoilt], y[spoilt], color="#6b7785", marker="x", s=36, label="spoilt")
for name, loss in LOSSES.items():
    model = LossRegressor(loss, l2=0).fit(x[:, None], y)
    axes.plot(x, model.predict(x[:, None]), label=name)
    print(f"{name:<16}  slope {model.coef_[0]:5.2f}  intercept {model.intercept_:5.2f}")
axes.set(xlabel="x", ylabel="y", title="Four losses, four lines")
axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left")
plt.show()

# %%
# Question
# --------
#
# Six thermometers in one room say 10.1, 9.8, 10.0, 10.2, 9.9 and 47.0 degrees. You report the best constant under
# Huber's loss, and it must not lie further than 0.1 from 10, the mean of the five good ones. **What is the largest**
# :math:`\delta` **that you may choose?** Write down the sum of the six slopes at :math:`c = 10.1`; no program is needed.

readings = np.array([10.1, 9.8, 10.0, 10.2, 9.9, 47.0])


def check_answer(delta):
    """Whether 10.1 is where the slopes under Huber's loss add up to 0."""
    pull = lk.HuberLoss(delta=delta, reduction="sum").derivative(readings, np.full(6, 10.1)).sum()
    if abs(pull) < 1e-9:
        return "Right: five small pulls to the left balance one of size delta to the right."
    return f"Not yet: with it the best constant lies {'below' if pull > 0 else 'above'} 10.1."


print(check_answer(2.0))
