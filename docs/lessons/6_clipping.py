r"""
Clip exploding gradients
========================

A recurrent network applies the same weights at each step of a sequence, so its gradient is a product with one factor
for each step. Fifty factors of 1.1 make 117: the gradient *explodes*, and a single step of descent throws away what
hundreds have learnt. Fifty factors of 0.9 make 0.005: it *vanishes*.
"""

# %%
# The smallest recurrent network
# ------------------------------
#
# One unit and one weight: :math:`x_{k+1} = w x_k`, from :math:`x_0 = 1`. After fifty steps it should be at 2, under
# the squared error :math:`L = (x_{50} - 2)^2`. ``derivative`` starts the chain rule at the end of the sequence; then
# it walks back, one factor :math:`w` a step. The best weight is :math:`2^{1/50} = 1.014`.

import matplotlib.pyplot as plt
import numpy as np

import losskit as lk

LOSS, TARGET, STEPS = lk.MeanSquaredError(), np.array([2.0]), 50
BEST = 2 ** (1 / STEPS)


def gradient(w):
    """The derivative of the loss in the weight, by backpropagation through time."""
    states = [np.ones(1)]
    for _ in range(STEPS):
        states.append(w * states[-1])
    slope, in_w = LOSS.derivative(TARGET, states[-1]), np.zeros(1)
    for state in reversed(states[:-1]):
        in_w, slope = in_w + slope * state, slope * w
    return in_w


weights = np.linspace(0.8, 1.2, 200)
figure, axes = plt.subplots(figsize=(7.5, 3.4))
axes.semilogy(weights, [LOSS(TARGET, np.array([w**STEPS])) for w in weights], label="loss")
axes.semilogy(weights, [abs(gradient(w)[0]) for w in weights], label="size of the gradient")
axes.axvline(BEST, color="#6b7785", linewidth=1, linestyle=":")
axes.annotate("best weight", (BEST - 0.004, 1e7), color="#6b7785", ha="right")
axes.set(xlabel="weight", title="A cliff on the right, a plain on the left", ylim=(1e-4, 1e11))
axes.legend(loc="upper left")
plt.show()

# %%
# Between 0.8 and 1.2 the gradient ranges over twelve decades. No learning rate is right for all of them.

# %%
# With and without a rope
# -----------------------
#
# ``lk.clip_gradients`` leaves a gradient alone whose norm is at most ``max_norm``, and shortens a longer one to that
# length, in the same direction. A step is then never longer than the rate times ``max_norm``.


def descend(rate, max_norm=np.inf, start=1.15, steps=100):
    """The weight after each step, up to where it has left for good."""
    path = [np.array([start])]
    while len(path) <= steps and abs(path[-1][0]) < 10:
        slope = gradient(path[-1])
        path.append(path[-1] - rate * lk.clip_gradients(slope, max_norm))
    return np.array(path)[:, 0]


RUNS = {
    "as it is, rate 5e-5": descend(5e-5),
    "as it is, rate 1e-10": descend(1e-10),
    "clipped at 100, rate 5e-5": descend(5e-5, max_norm=100.0),
}
figure, axes = plt.subplots(figsize=(7.5, 3.4))
for (name, path), colour in zip(RUNS.items(), ("C1", "C3", "C0"), strict=True):
    axes.semilogy(np.maximum(np.abs(path - BEST), 1e-12), ".-", markersize=4, color=colour, label=name)
axes.annotate("lost in one step", (1, 5e3), (8, 5e3), va="center", arrowprops={"arrowstyle": "-"})
axes.set(
    xlabel="step", ylabel="distance from the best weight", title="One rate is enough, if the step is bounded"
)
axes.set_ylim(1e-13, 1e6)
axes.legend(loc="center right")
plt.show()

# %%
# A rate that survives the cliff gets nowhere afterwards. The clipped run walks down the cliff at a steady pace, and
# once the gradient is shorter than ``max_norm`` it is plain gradient descent.

# %%
# All arrays together
# -------------------
#
# The norm is that of all gradients together, so their proportions and with them the direction stay. Clipping each
# number by itself turns the step towards the diagonal.

gradients = [np.array([6.0, 0.5]), np.array([2.5])]
together = lk.clip_gradients(gradients, max_norm=1.0)
print("together: ", *(g.round(3) for g in together))
print("each alone:", *(np.clip(g, -1, 1) for g in gradients))

# %%
# Gradients that have exploded are where the textbook's formula itself overflows: the squares are infinite before
# anything is divided. And a NaN in a gradient has to be found, not scaled.

exploded = [np.array([3e200, 4e200])]
with np.errstate(over="ignore"):
    norm = np.sqrt(sum(np.sum(g**2) for g in exploded))
print("textbook:", exploded[0] / norm, " losskit:", lk.clip_gradients(exploded, max_norm=1.0)[0])
try:
    lk.clip_gradients([np.array([1.0, 2.0]), np.array([0.0, np.nan])])
except ValueError as error:
    print(error)

# %%
# Question
# --------
#
# Online learning takes one example at a time. Train under *half* the squared error, :math:`\frac12 r^2`, and clip its
# derivative in the prediction at ``max_norm=2.5``. **Which loss has this derivative without any clipping?** Answer
# with a loss, or with text such as ``"log_cosh"``.


def check_answer(loss):
    """Whether a loss has the derivative of the clipped half squared error, one example at a time."""
    loss = lk.parse(loss) if isinstance(loss, str) else loss
    half = 0.5 * lk.MeanSquaredError()
    for residual in (-40.0, -2.6, -2.4, 0.0, 0.1, 1.0, 2.5, 3.0, 1000.0):
        y, y_pred = np.zeros(1), np.array([residual])
        wanted = lk.clip_gradients(half.derivative(y, y_pred), max_norm=2.5)[0]
        answer = loss.derivative(y, y_pred)[0]
        if not np.isclose(answer, wanted):
            return f"Not yet: at r = {residual:g} its derivative is {answer:g}, clipped it is {wanted:g}."
    return "Right: to clip the derivative is to choose a robust loss."


print(check_answer("mean_absolute_error"))
