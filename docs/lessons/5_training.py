r"""
Train a network by derivatives alone
====================================

A network is trained by one number per prediction: the derivative of the loss. Everything else is the chain rule and
does not know which loss it works for. This lesson writes a small network in NumPy and trains it with eleven losses,
each through ``loss.derivative`` and nothing else.
"""

# %%
# The network
# -----------
#
# One hidden layer: :math:`h = \tanh(x W_1 + b_1)` and :math:`\hat y = h W_2 + b_2`. With
# :math:`g = \partial L / \partial \hat y`, the chain rule gives
#
# .. math::
#
#    \frac{\partial L}{\partial W_2} = h^\top g, \qquad
#    \frac{\partial L}{\partial h} = g\, W_2^\top, \qquad
#    \frac{\partial L}{\partial W_1} = x^\top \left( \frac{\partial L}{\partial h} \odot (1 - h^2) \right).
#
# The :math:`1/n` of the mean is already in :math:`g`: ``derivative`` is that of what ``compute`` returns.

import matplotlib.pyplot as plt
import numpy as np

import losskit as lk


class Network:
    """One hidden layer of tanh units."""

    def __init__(self, inputs, hidden, seed=0):
        rng = np.random.default_rng(seed)
        self.parameters = [
            rng.normal(0, 1.5, (inputs, hidden)),
            rng.normal(0, 1.0, hidden),
            rng.normal(0, 1 / np.sqrt(hidden), hidden),
            np.zeros(1),
        ]

    def predict(self, x):
        w1, b1, w2, b2 = self.parameters
        return np.tanh(x @ w1 + b1) @ w2 + b2

    def gradients(self, x, slope):
        """What the derivatives of the loss in the predictions mean for each parameter."""
        w1, b1, w2, _ = self.parameters
        hidden = np.tanh(x @ w1 + b1)
        before = np.outer(slope, w2) * (1 - hidden**2)
        return [x.T @ before, before.sum(axis=0), hidden.T @ slope, slope.sum(keepdims=True)]


def train(loss, x, y, steps=800, rate=0.03, hidden=24):
    """Adam (Kingma and Ba 2015), on all rows at once."""
    network = Network(x.shape[1], hidden)
    means = [np.zeros_like(p) for p in network.parameters]
    squares = [np.zeros_like(p) for p in network.parameters]
    for step in range(1, steps + 1):
        slope = loss.derivative(y, network.predict(x))
        for p, g, m, s in zip(network.parameters, network.gradients(x, slope), means, squares, strict=True):
            m += 0.1 * (g - m)
            s += 0.001 * (g * g - s)
            p -= rate * (m / (1 - 0.9**step)) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)
    return network


# %%
# First, trust
# ------------
#
# Backpropagation is easily written wrong. A central difference of the loss in one weight tells.

rng = np.random.default_rng(1)
x = np.sort(rng.uniform(-3, 3, 150))[:, None]
y = np.sin(2 * x[:, 0]) + rng.normal(0, 0.15, x.size)
y[::11] += rng.uniform(2, 4, y[::11].size)  # spoilt on purpose

loss, network, step = lk.LogCoshLoss(), Network(1, 24), 1e-6
weight = network.parameters[0]
backward = network.gradients(x, loss.derivative(y, network.predict(x)))[0][0, 3]
weight[0, 3] += step
above = loss(y, network.predict(x))
weight[0, 3] -= 2 * step
below = loss(y, network.predict(x))
print(f"chain rule {backward:.9f}, difference {(above - below) / (2 * step):.9f}")

# %%
# Six losses for a curve
# ----------------------
#
# The points follow :math:`\sin 2x`, but one in eleven was moved upwards. Only the loss differs between the pictures.

CURVES = {
    "squared error": "mean_squared_error",
    "absolute error": "mean_absolute_error",
    "Huber, δ = 0.3": "huber(delta=0.3)",
    "log-cosh": "log_cosh",
    "Cauchy, scale 0.3": "cauchy(scale=0.3)",
    "quantile 0.05": "quantile(quantile=0.05)",
}
figure, panels = plt.subplots(2, 3, figsize=(10, 5.2), sharex=True, sharey=True)
for axes, (name, text) in zip(panels.flat, CURVES.items(), strict=True):
    fitted = train(lk.parse(text), x, y).predict(x)
    axes.plot(x, np.sin(2 * x), color="#b8c0c8", linewidth=5)
    axes.scatter(x, y, s=7, color="#6b7785")
    axes.plot(x, fitted, color="C1")
    error = np.sqrt(np.mean((fitted - np.sin(2 * x[:, 0])) ** 2))
    axes.set_title(name)
    axes.text(3, 4.2, f"error {error:.2f}", ha="right", color="C1")
plt.show()

# %%
# The squared error is pulled towards the spoilt points everywhere; absolute error, Huber and Cauchy follow the others.
# The quantile 0.05 does not want the middle at all: it draws the curve that one point in twenty lies below.

# %%
# Five losses for two classes
# ---------------------------
#
# The same ``train``, now with a score for each point. Losses of the margin take labels -1 and +1, cross-entropies 0
# and 1. Colour is the score, the line is where the decision changes.

angle = rng.uniform(0, np.pi, 240)
upper = np.arange(240) % 2 == 0
moons = np.column_stack([np.cos(angle), np.sin(angle)]) * np.where(upper, 1, -1)[:, None]
moons += np.where(upper, -0.5, 0.5)[:, None] * [1, 0.5] + rng.normal(0, 0.2, moons.shape)

SCORES = {
    "cross-entropy": (lk.BinaryCrossEntropy(from_logits=True), 0.0),
    "focal, γ = 2": (lk.FocalLoss(gamma=2.0, from_logits=True), 0.0),
    "hinge": (lk.HingeLoss(), -1.0),
    "squared hinge": (lk.SquaredHingeLoss(), -1.0),
    "exponential": (lk.ExponentialLoss(), -1.0),
}
grid = np.stack(np.meshgrid(np.linspace(-2.2, 2.2, 80), np.linspace(-1.9, 1.9, 80)), axis=-1)
figure, panels = plt.subplots(1, 5, figsize=(12, 2.9), sharex=True, sharey=True)
for axes, (name, (loss, no)) in zip(panels, SCORES.items(), strict=True):
    network = train(loss, moons, np.where(upper, 1.0, no), steps=300)
    scores = network.predict(grid.reshape(-1, 2)).reshape(80, 80)
    axes.contourf(
        grid[..., 0], grid[..., 1], np.tanh(scores / 4), 20, cmap="RdBu", alpha=0.4, vmin=-1.2, vmax=1.2
    )
    axes.contour(grid[..., 0], grid[..., 1], scores, [0.0], colors="#22303c", linewidths=1.4)
    axes.scatter(*moons.T, s=9, c=np.where(upper, "C0", "C1"), edgecolors="white", linewidths=0.4)
    found = network.predict(moons)
    axes.set(title=name, xticks=[], yticks=[])
    axes.set_xlabel(f"{np.mean((found > 0) == upper):.0%} right, scores about {np.median(np.abs(found)):.1f}")
plt.show()

# %%
# They agree on the side and differ in the score. The hinge is content with a margin of 1; cross-entropy and the
# exponential loss push on for as long as they are trained. Nor do scores mean the same: cross-entropy estimates the
# log-odds, the exponential loss half of them, and the hinge nothing but the side.

# %%
# Question
# --------
#
# Let the network's output be stretched by a factor that is learnt, too: :math:`\hat y = e^s f(x)`. **Write the
# derivative of the loss in** :math:`s`, as a function of the loss, the targets and the predictions :math:`\hat y`.


def check_answer(derivative_in_s):
    """Whether ``derivative_in_s(loss, y, y_pred)`` agrees with differences, for three losses."""
    y, outputs = np.array([1.0, 2.0, 0.5, 4.0]), np.array([0.3, 1.1, 0.9, -0.2])
    for loss in (lk.MeanSquaredError(), lk.LogCoshLoss(), lk.HuberLoss(reduction="sum")):
        answer = derivative_in_s(loss, y, np.exp(0.5) * outputs)
        wanted = (loss(y, np.exp(0.5 + 1e-6) * outputs) - loss(y, np.exp(0.5 - 1e-6) * outputs)) / 2e-6
        if np.shape(answer) != () or abs(answer - wanted) > 1e-6:
            return f"Not yet: for {loss.name} it gives {answer}, and the difference is {wanted:.6f}."
    return "Right: the derivative of the stretched output in s is the output itself."


print(check_answer(lambda loss, y, y_pred: loss.derivative(y, y_pred).sum()))
