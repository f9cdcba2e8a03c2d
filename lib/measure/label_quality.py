"""How far a photo's vector agrees with its label: out-of-fold probabilities of a linear probe, and scores from them.

Invariant: the probabilities of a photo come from a probe that was fitted without it and without its exact copies.
Shapes: vectors (n, d), labels as codes (n,) in 0 … k − 1, probabilities (n, k) whose rows sum to 1, or are NaN where a
photo has no probability: its class has no other picture outside its fold.

The score is the self-confidence, the probability of the given label (Northcutt, Jiang and Chuang 2021, "Confident
Learning", JAIR 70), which is also the default of `cleanlab`; see docs/decisions/018-label-scores.md.
"""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.progress import Progress, no_progress

FOLDS: Final = 5
# scikit-learn's C, the inverse strength of regularisation, for standardised vectors of length 1. Measured on the
# flowers with 5 % of the labels flipped: of 0.001, 0.003, 0.01 and 0.03 this one finds most of them.
STRENGTH: Final = 0.003
MOST_STEPS: Final = 300
TOLERANCE: Final = 1e-3

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def folds(codes: Codes, pictures: Codes, seed: int) -> Codes:
    """The fold of each row, (n,): each class is spread evenly over the folds, and equal `pictures` share a fold.

    `pictures` (n,) has equal numbers for pixel-identical photos; a picture with several labels counts for its first.
    """
    _, first, picture = np.unique(pictures, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    of_picture = np.zeros(len(first), np.int64)
    start = 0
    for code in np.unique(codes):
        members = order[codes[first[order]] == code]
        # Each class begins where the one before ended: small classes do not all fall into the first folds.
        of_picture[members] = (start + np.arange(len(members))) % FOLDS
        start += len(members)
    return of_picture[picture.reshape(-1)]


def probe_inputs(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The vectors as the probe sees them: scaled to length 1, then each dimension to mean 0 and deviation 1.

    Both are computed over all photos: neither uses a label. A zero vector and a constant dimension become zeros.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    deviation = unit.std(axis=0)
    return np.asarray((unit - unit.mean(axis=0)) / np.where(deviation > 1e-12, deviation, 1), np.float32)


def out_of_fold(
    vectors: npt.NDArray[np.float32],
    codes: Codes,
    pictures: Codes,
    classes: int,
    seed: int,
    progress: Progress = no_progress,
) -> Floats:
    """The probability of each class for each photo, (n, classes): multinomial logistic regression, one fit per fold.

    `vectors` are those of `probe_inputs`. `progress` receives (folds done, folds).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    probabilities = np.full((len(codes), classes), np.nan)
    fold_of = folds(codes, pictures, seed)
    for fold in range(FOLDS):
        progress(fold, FOLDS)
        held_out, fitted = np.nonzero(fold_of == fold)[0], np.nonzero(fold_of != fold)[0]
        known = np.unique(codes[fitted])
        # A class of which the probe saw nothing has no probability, and then nor has a photo of it.
        judged = held_out[np.isin(codes[held_out], known)]
        if len(known) < 2 or not len(judged):
            continue
        probe = LogisticRegression(C=STRENGTH, max_iter=MOST_STEPS, tol=TOLERANCE)
        # The products are so small that threads which wait for each other cost ten times what they save.
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)  # the ranking does not change any more
            probe.fit(vectors[fitted], codes[fitted])
        probabilities[judged] = 0
        probabilities[np.ix_(judged, known)] = probe.predict_proba(vectors[judged])
    progress(FOLDS, FOLDS)
    return probabilities


def self_confidence(probabilities: Floats, codes: Codes) -> Floats:
    """The probability of each photo's own label, (n,); small = suspicious, NaN = none."""
    return np.asarray(probabilities[np.arange(len(codes)), codes])


def thresholds(probabilities: Floats, codes: Codes) -> Floats:
    """For each class the mean probability that photos of this label have of it, (k,); NaN for a class without any."""
    own = self_confidence(probabilities, codes)
    known = np.isfinite(own)
    sums = np.bincount(codes[known], weights=own[known], minlength=probabilities.shape[1])
    numbers = np.bincount(codes[known], minlength=probabilities.shape[1])
    return np.asarray(np.divide(sums, numbers, out=np.full(len(sums), np.nan), where=numbers > 0))


def confident_errors(probabilities: Floats, codes: Codes) -> npt.NDArray[np.bool_]:
    """Which photos are confidently of another class than their label, (n,): the estimated label errors.

    A photo is confidently of the most probable class among those whose threshold it reaches: the off-diagonal of the
    confident joint. As in `cleanlab`, a photo whose most probable class is its label is none.
    """
    reached = probabilities >= thresholds(probabilities, codes) - 1e-9
    confident = np.where(reached, probabilities, -1).argmax(axis=1)
    return np.asarray(reached.any(axis=1) & (confident != codes) & (best_class(probabilities) != codes))


def best_class(probabilities: Floats) -> Codes:
    """The most probable class of each photo, (n,), the first of equal ones; 0 where it has no probability."""
    return np.asarray(np.nan_to_num(probabilities, nan=-1.0).argmax(axis=1), np.int64)


def ranking(probabilities: Floats, codes: Codes) -> Codes:
    """All rows, the most suspicious first: by self-confidence, then by row; rows without a probability last."""
    return np.argsort(self_confidence(probabilities, codes), kind="stable")
