r"""
When one class is rare
======================

Two patients in a hundred are ill, one pixel in forty is a lesion. A model that always says *no* is then right in 98 %
of cases and worth nothing. Weights, the focal loss and Dice are three answers. They change different things, and none
of them is free.
"""

# %%
# What they do to one example
# ---------------------------
#
# Let :math:`p_t` be the probability that the model gives to the true class.
#
# .. math::
#
#    \text{cross-entropy: } -\log p_t, \qquad
#    \text{weighted: } -w_t \log p_t, \qquad
#    \text{focal: } -(1 - p_t)^\gamma \log p_t.
#
# Weights make every rare example louder. The focal loss makes every *easy* example quieter, of whichever class.

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score, log_loss, precision_score, recall_score

import losskit as lk
from losskit.scalar import sigmoid

LOSSES = {
    "cross-entropy": lk.BinaryCrossEntropy(),
    "weights 1 : 49": lk.WeightedCrossEntropy(class_weights=(1.0, 49.0)),
    "focal, γ = 2": lk.FocalLoss(gamma=2.0),
}
p = np.linspace(0.005, 0.995, 400)
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
for axes, label in zip(panels, (1.0, 0.0), strict=True):
    for (name, loss), width in zip(LOSSES.items(), (4.5, 2.0, 2.0), strict=True):
        each = replace(loss, reduction="none")
        axes.plot(p, each(np.full(p.size, label), p), linewidth=width, label=name)
    axes.set(title="ill" if label else "healthy", xlabel="predicted probability of illness")
    axes.set(yscale="log", ylim=(1e-4, 400))
panels[0].set_ylabel("loss")
panels[0].legend(loc="lower left")
plt.show()

# %%
# What they do to a model
# -----------------------
#
# Ten thousand patients whose true risk is known, because it is ours: a logistic function of two measurements, 2 % on
# average. The same logistic model is fitted under each loss. As the model is :math:`p = \sigma(xw)`, the chain rule
# multiplies the derivative by :math:`p\,(1 - p)`.


def fit(loss, features, labels):
    """The coefficients of a logistic model, by BFGS on value and derivative of the loss."""

    def objective(coefficients):
        p = sigmoid(features @ coefficients)
        value, slope = loss.value_and_derivative(labels, p)
        return value, features.T @ (slope * p * (1 - p))

    return minimize(objective, np.zeros(features.shape[1]), jac=True).x


# sphinx_gallery_thumbnail_number = 2
rng = np.random.default_rng(3)
patients = np.column_stack([np.ones(10_000), rng.normal(size=(10_000, 2))])
risk = sigmoid(patients @ [-5.0, 1.2, -0.9])
ill = (rng.uniform(size=risk.size) < risk).astype(float)

print(f"{ill.mean():.1%} are ill\n")
print(f"{'':<28}{'recall':>8}{'precision':>11}{'ranking':>9}{'log loss':>10}{'mean p':>8}")


def row(name, p, threshold=0.5):
    found = p > threshold
    print(
        f"{name:<28}{recall_score(ill, found):8.2f}{precision_score(ill, found, zero_division=0):11.2f}"
        f"{average_precision_score(ill, p):9.3f}{log_loss(ill, p):10.3f}{p.mean():8.1%}"
    )


figure, axes = plt.subplots(figsize=(5.6, 4.6))
axes.plot([1e-4, 1], [1e-4, 1], color="#d5dade", linewidth=6, label="the truth")
order = np.argsort(risk)[::20]
for name, loss in LOSSES.items():
    p = sigmoid(patients @ fit(loss, patients, ill))
    row(name, p)
    if name == "cross-entropy":
        row("cross-entropy, from 2 % on", p, threshold=0.02)
    axes.loglog(risk[order], p[order], ".", markersize=4, label=name)
axes.set(
    xlabel="true risk", ylabel="predicted risk", title="Who says the truth?", xlim=(1e-4, 1), ylim=(1e-4, 1.3)
)
axes.legend(markerscale=2)
plt.show()

# %%
# Read the table slowly.
#
# - *Ranking* (average precision) hardly differs: all three put the same patients first.
# - Weights find most of the ill, as plain cross-entropy does when it says *ill* **from 2 % on** instead of 50 %. For
#   a model that fits the data, a weight is a threshold in disguise; and it is the plain model whose probabilities
#   are true.
# - Where the average risk is 2 %, the weighted model says 33 % and the focal one 15 %. Neither may be called a
#   probability.
#
# Weights earn their keep where the model is too small to be right everywhere and has to choose.

# %%
# What they do to a mask
# ----------------------
#
# In segmentation the rare class is an area. Dice leaves the background out of the count: with the target :math:`y` and
# the probability :math:`p` of each pixel it is one minus the overlap,
#
# .. math::
#
#    L = 1 - \frac{2 \sum_i y_i p_i}{\sum_i y_i + \sum_i p_i}.
#
# It is not convex, and as long as nothing overlaps its gradient says little. Sums of losses are losses, so let
# cross-entropy lead.

size = 72
down, across = np.mgrid[:size, :size]
LESIONS = [(14, 20, 3.0), (26, 52, 4.0), (50, 16, 3.5), (56, 48, 3.0)]
mask = np.any([(down - y) ** 2 + (across - x) ** 2 < r * r for y, x, r in LESIONS], axis=0)
image = mask + np.random.default_rng(1).normal(0, 1.4, mask.shape)
smooth = [gaussian_filter(image, width) for width in (1.0, 2.0)]
pixels = np.column_stack([np.ones(mask.size), image.ravel(), *(4 * s.ravel() for s in smooth)])

MASKS = {
    "cross-entropy": LOSSES["cross-entropy"],
    "weights 1 : 49": LOSSES["weights 1 : 49"],
    "Dice alone": lk.DiceLoss(),
    "Dice + cross-entropy": lk.DiceLoss() + lk.BinaryCrossEntropy(),
}
figure, panels = plt.subplots(1, 5, figsize=(12, 3.0))
panels[0].imshow(image, cmap="Greys")
panels[0].set(title="image", xlabel=f"{mask.mean():.1%} lesion")
for axes, (name, loss) in zip(panels[1:], MASKS.items(), strict=True):
    p = sigmoid(pixels @ fit(loss, pixels, mask.ravel().astype(float))).reshape(mask.shape)
    found = p > 0.5
    overlap = 2 * (found & mask).sum() / (found.sum() + mask.sum())
    axes.imshow(p, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=name, xlabel=f"overlap {overlap:.2f}")
for axes in panels:
    axes.contour(mask, [0.5], colors="#d1495b", linewidths=1)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
plt.show()

# %%
# The pictures are probabilities, the red lines are the truth, and *overlap* is that of the pixels above one half. There
# cross-entropy is too careful, weights are too generous, and Dice alone has settled in a poor local minimum. The sum
# does best: cross-entropy leads, and Dice moves the probabilities until one half is the right threshold. (From 25 % on,
# cross-entropy's mask would overlap as well.)

# %%
# Question
# --------
#
# Your model was trained with the weights :math:`1 : w`, and you need true risks after all. It says :math:`q`.
# **Write the true probability as a function of** :math:`q` **and** :math:`w`. (At the best prediction for a true
# probability :math:`p`, the expected slope :math:`-p\,w / q + (1 - p) / (1 - q)` is 0.)


def check_answer(true_probability):
    """Whether q is the best prediction under the weights 1 : w for the probability that the function gives."""
    for w in (1.0, 2.0, 49.0):
        loss = lk.WeightedCrossEntropy(class_weights=(1.0, w), reduction="none")
        for q in (0.01, 0.5, 0.9):
            p = true_probability(q, w)
            if not 0 <= p <= 1:
                return f"Not yet: for q = {q} and w = {w:g} it gives {p:g}, which is no probability."
            slope = np.dot([1 - p, p], loss.derivative(np.array([0.0, 1.0]), np.array([q, q])))
            if abs(slope) > 1e-9:
                return f"Not yet: were {p:.3g} true, {q} would not be the best prediction at w = {w:g}."
    return "Right: a weight multiplies the odds, and dividing them brings the truth back."


print(check_answer(lambda q, w: q / w))
