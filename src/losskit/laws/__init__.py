"""What must hold of any loss: one generator of findings a law, in a file per topic.

``losskit.check`` runs them on a loss; the tests run them on every built-in loss. What a law cannot
apply to says so itself: ``LossFunction.not_separable`` and ``not_mergeable`` are declared by a
structure, the rest is asked of the loss.
"""
