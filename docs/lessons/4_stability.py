r"""
Why naive softmax fails
=======================

The cross-entropy of a row of logits :math:`z` with the true class :math:`t` is

.. math::

   L(z) = -\log \frac{e^{z_t}}{\sum_k e^{z_k}}, \qquad
   \frac{\partial L}{\partial z_k} = \frac{e^{z_k}}{\sum_j e^{z_j}} - [k = t].

As mathematics it is defined for all logits. As a program, it depends on how you spell it.
"""

# %%
# Overflow
# --------
#
# :math:`e^{89}` is more than float32 can hold, and :math:`\infty / \infty` is NaN. Subtracting the largest logit from
# all of them changes nothing in the quotient, and then no power exceeds :math:`e^0`.

import matplotlib.pyplot as plt
import numpy as np

import losskit as lk


def naive_softmax(z):
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.exp(z)
        return powers / powers.sum(axis=-1, keepdims=True)


def shifted_softmax(z):
    return naive_softmax(z - z.max(axis=-1, keepdims=True))


logits = np.array([[2.0, 1.0, 0.0], [89.0, 88.0, 87.0]], dtype=np.float32)
print("naive\n", naive_softmax(logits))
print("shifted\n", shifted_softmax(logits))
print("losskit\n", lk.stable_softmax(logits))

# %%
# Cancellation
# ------------
#
# So is the shift all there is to stability? Take two classes with the logits :math:`(g, 0)`; the first is true. The
# loss is :math:`\log(1 + e^{-g})`: for large :math:`g` about :math:`e^{-g}`, small but not 0. A float32 next to 1 is
# :math:`6 \cdot 10^{-8}` away, so the probability itself rounds to 1, and its logarithm to 0. Clipping probabilities,
# often recommended, does not bring back what was lost; and :math:`1 - 10^{-15}` *is* 1 in float32.

gaps = np.linspace(-120, 120, 481, dtype=np.float32)
rows = np.stack([gaps, np.zeros_like(gaps)], axis=1)
first = np.zeros(gaps.size, dtype=np.int64)
exact = np.logaddexp(0.0, -gaps.astype(np.float64))


def shifted(z):
    with np.errstate(divide="ignore"):
        return -np.log(shifted_softmax(z)[:, 0])


def clipped(z):
    probabilities = np.clip(shifted_softmax(z), np.float32(1e-15), np.float32(1 - 1e-15))
    return -np.log(probabilities[:, 0])


def from_logits(z):
    return lk.SparseCategoricalCrossEntropy(from_logits=True, reduction="none")(first, z)


figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
for axes in left, right:
    axes.plot(gaps, exact, color="#d5dade", linewidth=9, label="the truth")
    axes.plot(gaps, from_logits(rows), color="C2", linewidth=4, label="from logits")
    axes.plot(gaps, clipped(rows), color="C1", linewidth=2.4, label="shifted and clipped")
    axes.plot(gaps, shifted(rows), color="C0", linestyle=(0, (3, 2)), label="shifted softmax")
    axes.set_xlabel("gap between the logits")
left.set(title="Wrong predictions", xlim=(-122, 0), ylim=(0, 125), ylabel="loss")
left.annotate("infinite from here on", (-104, 104), (-117, 66), arrowprops={"arrowstyle": "-"})
left.annotate("no gradient", (-75, 34.5), (-75, 15), arrowprops={"arrowstyle": "-"}, ha="center")
left.legend()
right.set(title="Right predictions", xlim=(0, 122), ylim=(1e-55, 1e3), yscale="log")
right.annotate("exactly 0 from here on", (16.7, 1e-30), (24, 1e-48), arrowprops={"arrowstyle": "-"})
right.annotate("end of float32", (103.5, 1e-47), (103, 1e-32), arrowprops={"arrowstyle": "-"}, ha="center")
plt.show()

# %%
# Left of -34.5 the clipped loss is flat: the most wrong predictions of all have the gradient 0, and are never corrected.
# Right of 17 both lose the loss, and with it what is left to learn. **Give the loss logits, not probabilities**, and
# every digit that the format can hold is kept on either side.

# %%
# The gradient needs the same care
# --------------------------------
#
# :math:`p_t - 1` cancels exactly where the value did. losskit writes the derivative by hand, as minus the
# probabilities of the *other* classes, so each row adds up to 0 even where its entries are tiny.

row = np.array([[20.0, 0.0]], dtype=np.float32)
textbook = shifted_softmax(row) - np.array([[1, 0]], dtype=np.float32)
ours = lk.SparseCategoricalCrossEntropy(from_logits=True).derivative(np.array([0]), row)
print("softmax - one-hot:", textbook[0])
print("losskit:          ", ours[0])

# %%
# Question
# --------
#
# The logistic loss of a margin :math:`m` is :math:`\log(1 + e^{-m})`. **Write it as a NumPy function** that is finite for
# every finite margin and right to 12 digits, at -1000 as well as at 40. (``np.exp``, ``np.log1p``, ``np.abs`` and
# ``np.maximum`` are all you need.)

MARGINS = np.array([-1000.0, -50.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0, 700.0])


def check_answer(loss):
    """Whether a function of an array of margins is the logistic loss, to 12 digits."""
    with np.errstate(all="ignore"):
        answer = loss(MARGINS)
    truth = lk.LogisticLoss(reduction="none")(np.ones(MARGINS.size), MARGINS)
    wrong = ~(np.abs(answer / truth - 1) < 1e-12)
    if not wrong.any():
        return "Right, in both tails."
    where = np.argmax(wrong)
    return f"Not yet: at {MARGINS[where]:g} it gives {answer[where]:g}, and the truth is {truth[where]:g}."


print(check_answer(lambda margin: np.log(1 + np.exp(-margin))))
