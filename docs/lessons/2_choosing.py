r"""
Which loss for this project?
============================

Three questions, in this order.

1. **What shall a prediction be?** A mean, a median, a quantile, a probability, an order? The loss decides that, and
   nothing afterwards repairs it.
2. **What kind of number is the target?** A label, a count, a positive amount, any real number?
3. **What does the noise look like?** Outliers, wrong labels, rare classes?

.. list-table::
   :header-rows: 1

   * - target
     - start with
     - and change it when
   * - real number
     - squared error, for the mean
     - outliers: Huber, Cauchy; a median: absolute error; a quantile: quantile loss
   * - count, positive amount
     - Poisson, gamma
     - more zeros or spread than they allow: Tweedie, negative binomial
   * - two or more classes
     - cross-entropy of logits
     - a class is rare: weights, focal; labels are wrong: generalised cross-entropy
   * - mask of pixels
     - Dice + cross-entropy
     - missing is worse than inventing: Tversky; edges matter: boundary
   * - order, likeness
     - RankNet, InfoNCE
     - only the top counts: LambdaLoss; labels instead of pairs: supervised contrastive
"""

# %%
# Ask the catalogue
# -----------------
#
# Each loss knows its tasks and its traits, and what the best constant prediction under it is.

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.datasets import load_diabetes

import losskit as lk

for name in lk.list_losses(task="regression", trait="robust"):
    print(f"{name:<22} estimates {lk.get(name).about.estimates}")

# %%
# Ask the data
# ------------
#
# 442 patients, ten measurements, and how far their diabetes had progressed a year later. ``lk.recommend`` fits a quick
# model, looks at its residuals, and ranks the losses that suit them, each with its evidence.

X, progression = load_diabetes(return_X_y=True)
print(lk.recommend(progression, features=X))

# %%
# Its evidence is about the noise: it has no outliers to speak of, and it grows with the prediction. Whether that
# matters, only training can tell.

# %%
# Measure
# -------
#
# ``lk.compare`` trains the same model with each loss on the same folds, and judges them by metrics on rows that no
# model has seen. A difference counts only where it is more than the folds differ among themselves.

print(lk.compare(X, progression, ["huber", "cauchy"], folds=5, repeats=1))

# %%
# No loss is ahead by more than noise, and that is an answer, too: keep the squared error, and spend the time on better
# features.

# %%
# The same data, badly typed
# --------------------------
#
# Now let six in a hundred targets have a decimal point too far to the right.

rng = np.random.default_rng(0)
mistyped = np.where(rng.uniform(size=progression.size) < 0.06, 10 * progression, progression)

advice = lk.recommend(mistyped, features=X)
print("\n".join(f"{s.code:<32} {s.reasons[0].sentence}" for s in advice.suggestions[:3]))

# %%
# The outliers are seen, and losses that bound their pull have moved up. Measured:

result = lk.compare(X, mistyped, ["huber", "cauchy"], folds=5, repeats=1)
print(result.verdict.text)
result.plot()

# %%
# Mind the panel on the right: by the root mean squared error the losses look alike, because the *test* rows are
# mistyped as well, and a metric that squares sees little else. The metric is a choice like the loss, and it has to
# say what the prediction is for.

# %%
# Question
# --------
#
# You promise delivery times. Each minute that a parcel is later than promised costs four times as much as one that it
# is early. **Which loss makes the right promise?** Answer with a loss, or with text such as ``"huber(delta=2)"``.
# (Stuck? ``lk.recommend`` takes a ``goal``.)

minutes = np.random.default_rng(1).gamma(4.0, 10.0, 4000)


def cost(promise):
    """What a promise costs on average."""
    late = minutes - promise
    return np.mean(np.where(late > 0, 4 * late, -late))


def check_answer(loss):
    """Whether the best constant promise under a loss is the cheapest one."""
    loss = lk.parse(loss) if isinstance(loss, str) else loss
    limits = (minutes.min(), minutes.max())
    promise = minimize_scalar(lambda c: loss(minutes, np.full(minutes.size, c)), bounds=limits).x
    extra = cost(promise) / minimize_scalar(cost, bounds=limits).fun - 1
    if extra < 1e-3:
        return f"Right: it promises {promise:.0f} minutes, and no other promise is cheaper."
    return f"Not yet: it promises {promise:.0f} minutes, which costs {extra:.0%} more than need be."


print(check_answer("mean_squared_error"))
