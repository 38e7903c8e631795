"""Losses over all paths through a table: labels against frames, one sequence against another."""

from typing import ClassVar

from losskit.about import SMOOTH, SYMMETRIC, About
from losskit.structures.lattice import AlignmentLoss, LabellingLoss


class CTCLoss(LabellingLoss):
    r"""-log of the probability that frames spell a label sequence: connectionist temporal classification.

    Each frame names a class or the blank; frames are independent. What they name spells a sequence
    once repetitions are merged and blanks then dropped, and the loss sums the probability of all ways
    to spell the target. Between two equal labels there must be a blank.

    Predictions are log-probabilities of shape (frames, batch, classes), or logits with
    ``from_logits=True``; targets are (batch, labels), padded with anything beyond ``target_lengths``, or
    all labels in a row. Lengths left out are whole. A mean is over sequences: torch's divides each by
    the length of its target first.

    The derivative is that in the documented input: in log-probabilities minus the share of the paths
    that have the class at the frame, in logits the softmax less that share. torch's CTCLoss answers the
    second, also where its input is log-probabilities. A target that no path spells costs infinity, or 0 with
    ``zero_infinity``; its gradient is 0 either way, since no small change of the predictions helps.

    Raises IndexError for a length beyond the table or a label that is no class, ValueError for shapes
    that do not fit, a blank among the labels, and scores that are no log-probabilities.
    Source: Graves, Fernandez, Gomez & Schmidhuber (2006), ICML.

    >>> import numpy as np
    >>> half = np.log(np.full((2, 1, 2), 0.5))  # two frames that do not know: blank or label 1
    >>> round(float(CTCLoss().compute([[1]], half)), 6)  # -log 3/4: not blank twice
    0.287682
    """

    about: ClassVar = About(
        formula=r"-\log \sum_{\pi \in B^{-1}(y)} \prod_t \hat p_{t, \pi_t}",
        tasks={"sequence"},
        traits={SMOOTH},
        estimates="the class of each frame, by any path that spells the target",
        strengths=(
            "needs no alignment of labels and frames",
            "sums every alignment exactly, in time proportional to frames times labels",
        ),
        weaknesses=(
            "takes frames for independent: knows nothing of which label follows which",
            "outputs become sharp peaks between blanks, so times of labels are unreliable",
            "no target longer than its frames, less one for each repeated label",
        ),
        uses=("speech recognition", "reading of handwriting and of text in images", "keyword spotting"),
        references=(
            "Graves et al. (2006), Connectionist temporal classification, ICML",
            "Graves (2012), Supervised Sequence Labelling with Recurrent Neural Networks, chapter 7",
        ),
        aliases=("connectionist_temporal_classification",),
        elsewhere=(
            "torch.nn.CTCLoss: a mean divides by target lengths first; its derivative is always that in logits",
            "keras.losses.CTC: logits (batch, frames, classes); blank 0, which is padding as well",
            "optax.ctc_loss: logits (batch, frames, classes) and paddings; unreduced",
        ),
    )


class SoftDTWLoss(AlignmentLoss):
    r"""The soft minimum, over all ways to align two sequences, of the sum of squared distances.

    -gamma log sum over alignments of exp(-cost / gamma). With ``gamma=0`` it is dynamic time warping:
    the least cost, whose gradient equally good predecessors share alike. The larger gamma, the more
    alignments count; the value may then be negative, and is not least where the sequences are equal.
    ``normalize=True`` subtracts half of each sequence's loss against itself, which mends both.

    Sequences are (..., length, features) and may differ in length. Both are differentiable:
    ``derivative`` answers for y_true and for y_pred. The mean is over pairs of sequences.

    Raises ValueError for shapes that do not fit and for sequences without vectors.
    Source: Cuturi & Blondel (2017), ICML; Blondel, Mensch & Vert (2021), AISTATS.

    >>> SoftDTWLoss(gamma=0).compute([[[0.0], [1.0]]], [[[0.0], [0.0], [3.0]]])
    np.float64(4.0)
    >>> round(float(SoftDTWLoss().compute([[[0.0], [0.0]]], [[[0.0], [0.0]]])), 6)  # -log 3 alignments
    -1.098612
    """

    def traits(self) -> frozenset[str]:
        return super().traits() - ({SMOOTH} if self.gamma == 0.0 else set())

    about: ClassVar = About(
        formula=r"-\gamma \log \sum_{A} \exp(-\langle A, \Delta(y, \hat y) \rangle / \gamma)",
        tasks={"sequence", "regression", "similarity"},
        traits={SMOOTH, SYMMETRIC},
        estimates="a mean shape, up to shifts and stretches in time",
        strengths=(
            "forgives shifts and changes of speed",
            "unlike dynamic time warping, differentiable everywhere",
        ),
        weaknesses=(
            "time and memory grow with the product of the lengths",
            "not least at equal sequences, unless normalized",
            "blind to when things happen",
        ),
        uses=(
            "forecasting of shapes",
            "averages and clusters of time series",
            "alignment of video or speech",
        ),
        references=(
            "Cuturi & Blondel (2017), Soft-DTW: a differentiable loss function for time-series, ICML",
            "Blondel, Mensch & Vert (2021), Differentiable divergences between time series, AISTATS",
            "Sakoe & Chiba (1978), IEEE Transactions on Acoustics, Speech and Signal Processing 26",
        ),
        aliases=("soft_dynamic_time_warping", "dtw"),
        elsewhere=("tslearn.metrics.SoftDTWLossPyTorch: the same, unreduced",),
    )
