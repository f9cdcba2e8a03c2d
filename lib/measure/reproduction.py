"""Measurements on screen as command lines and as short programs that reproduce them from the stored files.

Invariants: those of `lib/retrieval/reproduce.py`: no tokens, no local paths, and every string from outside is quoted.
The programs need NumPy, pandas and scikit-learn only, so they check the figures with code that is not ours.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from lib.data.catalog import Catalog
from lib.embed import projection, spaces
from lib.measure import feature_examples, label_quality
from lib.measure.clusters import SEED
from lib.prepare.workspace import Workspace
from lib.retrieval import reproduce
from lib.search import clustering

SHOWN = 20


@dataclass(frozen=True)
class Reproduction:
    """A measurement's command line, "" where there is none, and the program that finds the same figures."""

    command: str
    program: str


def command(name: str, *arguments: str) -> str:
    """A command line of Petalscope, quoted for the shell."""
    return shlex.join(["python", "-m", "lib", name, *arguments])


def head(catalog_file: str, *imports: str) -> list[str]:
    """The first lines of a program: `home`, the artifacts, and `photos`, the catalog."""
    return [
        "import os",
        "from pathlib import Path",
        "",
        "import numpy as np",
        "import pandas as pd",
        *imports,
        "",
        'home = Path(os.environ.get("PETALSCOPE_ARTIFACTS", "artifacts"))',
        f"photos = pd.read_parquet(home / {catalog_file!r})",
    ]


def _vectors(file: str, pixels: bool, side: int) -> list[str]:
    """The lines that read `x` (n, d) float32; pixels averaged to `side` × `side`."""
    lines = [f'x = np.load(home / {file!r}).astype("float32")']
    if pixels:
        step = spaces.PIXEL_SIDE // side
        lines.append(
            f"x = x.reshape(-1, {side}, {step}, {side}, {step}, 3).mean(axis=(2, 4)).reshape(len(x), -1) / 255"
        )
    return lines


_UNIT = [
    "lengths = np.linalg.norm(x, axis=1, keepdims=True)",
    "x /= np.where(lengths > 0, lengths, 1)",
]


# --- features --------------------------------------------------------------------------------------------------------


def features(workspace: Workspace, space: str, dimension: int | None = None) -> Reproduction:
    """Class selectivity and the photos that excite a feature most: of one `dimension`, or of the most selective."""
    place = reproduce.places(workspace, space)
    chosen = "selectivity.sort_values(ascending=False).index[:20]" if dimension is None else f"[{dimension}]"
    lines = [
        *head(place.catalog),
        f'x = np.load(home / {place.vectors!r}).astype("float64")',
        "",
        "# Class selectivity (Morcos et al. 2018); undefined for a feature that is ever negative, or dead",
        'means = pd.DataFrame(x).groupby(photos["label"].to_numpy()).mean()  # a row for each class',
        "largest = means.max()",
        "others = (means.sum() - largest) / (len(means) - 1)",
        "selectivity = (largest - others) / (largest + others)",
        f"selectivity[(x.min(axis=0) < 0) | (np.abs(x).max(axis=0) <= {feature_examples.DEAD:g})] = np.nan",
        "",
        f"for feature in {chosen}:",
        f'    best = np.argsort(-x[:, feature], kind="stable")[:{feature_examples.TOP}]',
        '    print(feature, f"{selectivity[feature]:.4f}", means[feature].idxmax(), end="\\t", sep="\\t")',
        '    print(*photos["id"].iloc[best], sep="\\t")',
    ]
    more = [] if dimension is None else ["--dimension", str(dimension)]
    return Reproduction(command("features", "--space", space, *more), "\n".join(lines))


# --- suspects --------------------------------------------------------------------------------------------------------


def suspects(workspace: Workspace, space: str, catalog: Catalog) -> Reproduction:
    """The ranking of the labels by the probability of a photo's own one."""
    place = reproduce.places(workspace, space)
    lines = [
        *head(place.catalog, "from sklearn.linear_model import LogisticRegression"),
        f"classes = {list(catalog.classes)!r}",
        'codes = np.array([classes.index(label) for label in photos["label"]])',
        *_vectors(place.vectors, spaces.get(space).pixels, projection.COARSER),
        *_UNIT,
        "spread = x.std(axis=0)",
        'x = ((x - x.mean(axis=0)) / np.where(spread > 1e-12, spread, 1)).astype("float32")',
        "",
        "# The folds: each class is spread evenly over them, and equal pictures share one",
        '_, first, picture = np.unique(photos["sha256"].to_numpy(dtype=str), return_index=True, return_inverse=True)',
        f"order = np.random.default_rng({catalog.seed}).permutation(len(first))",
        "fold, start = np.zeros(len(first), dtype=int), 0",
        "for code in range(len(classes)):",
        "    members = order[codes[first[order]] == code]",
        f"    fold[members] = (start + np.arange(len(members))) % {label_quality.FOLDS}",
        "    start += len(members)",
        "fold = fold[picture.reshape(-1)]",
        "",
        "# The probability of each photo's own label, from a probe that was fitted without its fold",
        "own, suggested = np.full(len(x), np.nan), codes.copy()",
        f"for number in range({label_quality.FOLDS}):",
        "    fitted = fold != number",
        "    held_out = np.flatnonzero(~fitted & np.isin(codes, codes[fitted]))",
        "    if len(held_out) == 0 or len(set(codes[fitted])) < 2:",
        "        continue",
        f"    probe = LogisticRegression(C={label_quality.STRENGTH}, max_iter={label_quality.MOST_STEPS}, "
        f"tol={label_quality.TOLERANCE})",
        "    shares = probe.fit(x[fitted], codes[fitted]).predict_proba(x[held_out])",
        "    own[held_out] = shares[np.arange(len(held_out)), np.searchsorted(probe.classes_, codes[held_out])]",
        "    suggested[held_out] = probe.classes_[shares.argmax(axis=1)]",
        "",
        f'for row in np.argsort(own, kind="stable")[:{SHOWN}]:',
        '    print(f"{1 - own[row]:.4f}", classes[codes[row]], classes[suggested[row]], photos["id"].iloc[row], '
        'sep="\\t")',
    ]
    return Reproduction(command("suspects", "--space", space), "\n".join(lines))


# --- clusters --------------------------------------------------------------------------------------------------------


def clusters(workspace: Workspace, space: str, catalog: Catalog, method: str, k: int | None) -> Reproduction:
    """The clusters of a space, and their agreement with the classes."""
    place, pixels = reproduce.places(workspace, space), spaces.get(space).pixels
    side = projection.COARSE if len(catalog.ids) <= projection.MOST_COARSE else projection.COARSER
    wide = 3 * side**2 if pixels else int(workspace.space(space)["dim"])
    if method == clustering.HDBSCAN:
        source = "from sklearn.cluster import HDBSCAN"
        found = f"HDBSCAN(min_cluster_size={clustering.SMALLEST}, min_samples={clustering.SMALLEST}, copy=True)"
        found += ".fit_predict(x[has_length])"
    elif method == clustering.KMEANS:
        source = "from sklearn.cluster import KMeans"
        found = f"KMeans(min({k}, has_length.sum()), n_init={clustering.STARTS}, random_state={SEED})"
        found += ".fit_predict(x[has_length])"
    else:
        source = "from lib.search.clustering import METHODS  # in Petalscope's folder"
        found = f"METHODS[{method!r}].find(x[has_length], {k})"
    lines = [
        *head(
            place.catalog,
            source,
            *(["from sklearn.decomposition import PCA"] if wide > clustering.MOST_DIMENSIONS else []),
            "from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score",
        ),
        *_vectors(place.vectors, pixels, side),
        *_UNIT,
        "has_length = lengths[:, 0] > 0",
    ]
    if wide > clustering.MOST_DIMENSIONS:
        count = f"min({clustering.COMPONENTS}, len(x) - 1)"
        lines.append(f'x = PCA({count}, svd_solver="randomized", random_state={SEED}).fit_transform(x)')
    lines += [
        "cluster = np.full(len(x), -1)  # -1 is noise",
        f"cluster[has_length] = {found}",
        'labels = photos["label"].to_numpy()',
        'print(f"NMI {normalized_mutual_info_score(labels, cluster):.4f}", '
        'f"ARI {adjusted_rand_score(labels, cluster):.4f}", sep="\\t")',
        "groups = [labels[cluster == number] for number in set(cluster[cluster >= 0])]",
        "for group in sorted(groups, key=len, reverse=True):  # the size of a cluster, and its classes",
        '    print(len(group), pd.Series(group).value_counts().to_dict(), sep="\\t")',
    ]
    more = [] if k is None else ["--k", str(k)]
    return Reproduction(command("clusters", "--space", space, "--method", method, *more), "\n".join(lines))
