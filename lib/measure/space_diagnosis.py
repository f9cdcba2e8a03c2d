"""Every space diagnosed, and every pair of spaces compared: measured once each, and kept as artifacts.

Invariant: a figure over pairs of images is taken over the same `SAMPLE` images in every space, drawn with `SEED` from
the different pictures, so that figures of two spaces compare. Neighbours are those that `prepare` stored, of all
images. `MEASURES` and `PAIR_MEASURES` define every figure in a sentence, with its source.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
import numpy.typing as npt

from lib import artifacts, statistics
from lib.data.catalog import Catalog
from lib.documents.search import Interval
from lib.documents.spaces import Chance, SpaceDiagnosis, SpacePair, SpacesDocument
from lib.measure.provenance import Provenance, provenance
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.search import cka, intrinsic_dimension, neighbourhoods, space_agreement, space_geometry
from lib.search.intrinsic_dimension import IntrinsicDimension
from lib.search.space_agreement import K
from lib.search.space_geometry import CORRELATED, Estimate

SCHEMA = 2
FOLDER = "measured"
SAMPLE, SEED = 1_000, 0
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """A figure: its `title`, its definition with source and population, and the digits after its point on screens."""

    title: str
    about: str
    digits: int = 2


MEASURES = {
    "dim": Measure("Dimensions", "Numbers in a vector.", 0),
    "intrinsic_dimension": Measure(
        "Intrinsic dimension",
        "TwoNN (Facco et al. 2017): the slope of −log(1 − F(μ)) against log μ through the origin, μ being the ratio of "
        "a photo's distances to its second and first neighbour, without the largest 10 %. Distances on the unit "
        "sphere, over all photos; copies count once, and photos at distance 0 from another are left out.",
        1,
    ),
    "effective_rank": Measure(
        "Effective rank",
        "Roy and Vetterli 2007: exp of the entropy of the singular values of the centred vectors, divided by their "
        "sum. The number of directions that the photos really use, at most the sample's size less one.",
        1,
    ),
    "mean_cosine": Measure(
        "Mean cosine",
        "Anisotropy (Ethayarajh 2019): the mean cosine of two different photos. 0 where directions have no preference; "
        "near 1 the vectors lie in a narrow cone, and cosines say little by their size.",
        3,
    ),
    "alignment": Measure(
        "Alignment",
        "Wang and Isola 2020 (α = 2): the mean squared distance on the unit sphere of two photos of one class; their "
        "positives are two views of one photo. Smaller is tighter.",
        3,
    ),
    "uniformity": Measure(
        "Uniformity",
        "Wang and Isola 2020 (t = 2): log of the mean of exp(−2 |x − y|²) over pairs of photos on the unit sphere. "
        "Smaller is more evenly spread.",
        3,
    ),
    "hubness_skewness": Measure(
        "Hubness",
        f"Radovanović et al. 2010: the skewness of how often a photo is among the {K} nearest of another under cosine, "
        "over all photos. 0 without hubs; far above 1 a few photos answer many queries.",
    ),
    "silhouette": Measure(
        "Silhouette",
        "Rousseeuw 1987: the mean of (b − a) / max(a, b), a being a photo's mean cosine distance to its own class, b "
        "that to the nearest other class. 1 for classes far apart, 0 for overlapping ones.",
        3,
    ),
    "redundancy": Measure(
        "Redundancy",
        f"The share of dimensions whose correlation (Pearson) with another one is at least {CORRELATED} or at most "
        f"−{CORRELATED}; dimensions that never vary are left out. Of more than 1,000 dimensions 1,000 are checked.",
        3,
    ),
}
PAIR_MEASURES = {
    "cka": Measure(
        "Linear CKA",
        "Kornblith et al. 2019: ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of centred vectors; 1 for spaces that differ by a rotation and "
        "scale. Biased upwards where photos are few for the dimensions: compare it with the value by chance.",
    ),
    "cka_unbiased": Measure(
        "Unbiased CKA",
        "Linear CKA with unbiased estimates of its terms (HSIC₁: Song et al. 2012; Nguyen et al. 2021): about 0 for "
        "unrelated spaces.",
    ),
    "mutual_knn": Measure(
        "Mutual k-NN",
        f"Huh et al. 2024: the share of a photo's {K} nearest under cosine in one space that are among its {K} nearest "
        "in the other, mean over all photos.",
    ),
    "procrustes": Measure(
        "Procrustes residual",
        "What the best shift, rotation, reflection and scale of one space onto the other leaves over (Schönemann 1966; "
        "Ding et al. 2021), 0 to 1. Where dimensions differ, zeros are added to the smaller space.",
    ),
}


class StoredDiagnosis(TypedDict):
    """A stored diagnosis and its provenance."""

    diagnosis: SpaceDiagnosis
    provenance: Provenance


class StoredPair(TypedDict):
    """A stored comparison, and the provenance of both spaces."""

    pair: SpacePair
    provenance: list[Provenance]


# --- what is stored --------------------------------------------------------------------------------------------------


def _file(workspace: Workspace, kind: str, catalog: Catalog, *names: str) -> Path:
    """The file of a diagnosis (one space) or a comparison (two), whether it exists or not."""
    entries = [workspace.space(name) for name in names]
    fingerprints = [[entry["fingerprint"], entry["neighbours"]] for entry in entries]
    key = artifacts.digest("petalscope-spaces", SCHEMA, SAMPLE, SEED, K, CORRELATED, catalog.contents, fingerprints)
    return workspace.folder / FOLDER / f"{Path(entries[0]['folder']).name}-{kind}-{key[:12]}.json"


def stored_diagnosis(workspace: Workspace, catalog: Catalog, space: str) -> SpaceDiagnosis | None:
    """The stored diagnosis of a space; None where there is none, or it is damaged."""
    found = artifacts.unless_damaged(artifacts.read_json, _file(workspace, "diagnosis", catalog, space))
    if found is None or not {*MEASURES, "ci95", "sample"} <= dict(found.get("diagnosis") or {}).keys():
        return None
    return cast("StoredDiagnosis", found)["diagnosis"]


def stored_pair(workspace: Workspace, catalog: Catalog, a: str, b: str) -> SpacePair | None:
    """The stored comparison of two spaces; None where there is none, or it is damaged."""
    found = artifacts.unless_damaged(artifacts.read_json, _file(workspace, "pair", catalog, a, b))
    if found is None or not {*PAIR_MEASURES, "ci95", "chance"} <= dict(found.get("pair") or {}).keys():
        return None
    return cast("StoredPair", found)["pair"]


def stored(workspace: Workspace, catalog: Catalog) -> SpacesDocument | None:
    """All diagnoses and comparisons of the prepared spaces; None while one of them is missing."""
    names = workspace.spaces
    diagnoses = [stored_diagnosis(workspace, catalog, name) for name in names]
    pairs = [stored_pair(workspace, catalog, a, b) for a, b in combinations(names, 2)]
    if any(found is None for found in (*diagnoses, *pairs)):
        return None
    return {"spaces": [each for each in diagnoses if each], "pairs": [each for each in pairs if each]}


def measure_all(workspace: Workspace, catalog: Catalog, progress: Progress = no_progress) -> SpacesDocument:
    """All diagnoses and comparisons: read where they are stored, else measured and stored.

    `progress` receives (figures made, all). Raises ArtifactError when a space's vectors or neighbours are missing.
    """
    names = workspace.spaces
    pairs = list(combinations(names, 2))
    samples: dict[str, _Sample] = {}
    done, total = 0, len(names) + len(pairs)
    document: SpacesDocument = {"spaces": [], "pairs": []}
    progress(done, total)
    for name in names:
        diagnosis = stored_diagnosis(workspace, catalog, name)
        if diagnosis is None:
            diagnosis = _diagnose(workspace, catalog, name, samples)
            kept: StoredDiagnosis = {"diagnosis": diagnosis, "provenance": provenance(workspace, name, catalog)}
            artifacts.write_json(_file(workspace, "diagnosis", catalog, name), kept)
        document["spaces"].append(diagnosis)
        progress(done := done + 1, total)
    for a, b in pairs:
        pair = stored_pair(workspace, catalog, a, b)
        if pair is None:
            pair = _compare(workspace, catalog, a, b, samples)
            facts = [provenance(workspace, name, catalog) for name in (a, b)]
            compared: StoredPair = {"pair": pair, "provenance": facts}
            artifacts.write_json(_file(workspace, "pair", catalog, a, b), compared)
        document["pairs"].append(pair)
        progress(done := done + 1, total)
    return document


# --- how it is measured ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sample:
    """The sampled images of a space: `rows` of the catalog, their `stored` vectors, and `turned`, the same in float64
    and at most as many dimensions as images."""

    rows: npt.NDArray[np.int64]
    stored: np.ndarray
    turned: Floats


def _sample(workspace: Workspace, catalog: Catalog, space: str, kept: dict[str, _Sample]) -> _Sample:
    if space not in kept:
        rows = sampled_rows(catalog)
        vectors = np.asarray(workspace.vectors(space).values[rows])
        kept[space] = _Sample(rows, vectors, space_geometry.isometric(vectors))
    return kept[space]


def sampled_rows(catalog: Catalog, most: int = SAMPLE, seed: int = SEED) -> npt.NDArray[np.int64]:
    """The rows of the images that figures over pairs are taken over: `most` different pictures, or all of fewer."""
    _, first = np.unique(picture_codes(catalog), return_index=True)
    if len(first) > most:
        first = np.random.default_rng(seed).choice(np.sort(first), most, replace=False)
    return np.sort(first).astype(np.int64)


def picture_codes(catalog: Catalog) -> npt.NDArray[np.int64]:
    """A number for each image's picture (n,): pixel-identical images have the same."""
    _, codes = np.unique(catalog.frame["sha256"].to_numpy(dtype=str), return_inverse=True)
    return codes.astype(np.int64)


def _diagnose(workspace: Workspace, catalog: Catalog, space: str, samples: dict[str, _Sample]) -> SpaceDiagnosis:
    start = time.perf_counter()
    sample, near = _sample(workspace, catalog, space, samples), workspace.neighbourhoods(space)
    defined = np.einsum("ij,ij->i", sample.turned, sample.turned) > 0
    gram = space_geometry.cosines(sample.turned[defined])
    _, codes = np.unique(catalog.frame["label"].to_numpy(dtype=str)[sample.rows[defined]], return_inverse=True)
    distances = intrinsic_dimension.neighbour_distances(near, picture_codes(catalog))
    intrinsic = intrinsic_dimension.two_nn(distances, seed=SEED)
    mean_cosine = space_geometry.mean_cosine(gram)
    alignment = space_geometry.alignment(gram, codes) if catalog.classes else None
    uniformity, silhouette = space_geometry.uniformity(gram), space_geometry.silhouette(gram, codes)
    redundancy = space_geometry.redundancy(sample.stored, seed=SEED)
    rank = space_geometry.effective_rank(sample.turned)
    hubness = space_geometry.hubness_skewness(near.rows["cosine"], K)
    return {
        "name": space,
        "dim": int(workspace.space(space)["dim"]),
        "images": len(catalog.ids),
        "sample": len(sample.rows),
        "seed": SEED,
        "intrinsic_dimension": intrinsic.dimension,
        "effective_rank": _value(rank),
        "mean_cosine": _value(mean_cosine),
        "alignment": _value(alignment),
        "uniformity": _value(uniformity),
        "hubness_skewness": _value(hubness),
        "silhouette": _value(silhouette),
        "redundancy": redundancy.share,
        "ci95": {
            "intrinsic_dimension": _interval(intrinsic),
            "effective_rank": _interval(rank),
            "mean_cosine": _interval(mean_cosine),
            "alignment": _interval(alignment),
            "uniformity": _interval(uniformity),
            "hubness_skewness": _interval(hubness),
            "silhouette": _interval(silhouette),
            "redundancy": _listed(redundancy.ci95),
        },
        "zero_distances": intrinsic.zero,
        "lone": intrinsic.lone,
        "undefined": int((~defined).sum()),
        "constant": redundancy.constant,
        "dimensions_varying": redundancy.dimensions,
        "dimensions_checked": redundancy.checked,
        "neighbours": neighbourhoods.approximation_note(near.facts, ["cosine"]) or "exact",
        "seconds": round(time.perf_counter() - start, 3),
    }


def _compare(workspace: Workspace, catalog: Catalog, a: str, b: str, samples: dict[str, _Sample]) -> SpacePair:
    start = time.perf_counter()
    x, y = (_sample(workspace, catalog, name, samples) for name in (a, b))
    rows = [workspace.neighbourhoods(name).rows["cosine"] for name in (a, b)]
    shared = space_agreement.mutual_knn(rows[0], rows[1], K)
    known = shared[~np.isnan(shared)]
    interval = statistics.mean_interval(known)
    shuffled = y.turned[np.random.default_rng(SEED).permutation(len(y.turned))]
    pictures = len(np.unique(picture_codes(catalog)))
    chance: Chance = {
        "cka": cka.linear_cka(x.turned, shuffled),
        "cka_unbiased": cka.unbiased_linear_cka(x.turned, shuffled),
        "mutual_knn": min(1.0, K / (pictures - 1)) if pictures > 1 else None,
        "procrustes": _value(space_agreement.procrustes_residual(x.turned, shuffled)),
    }
    residual = space_agreement.procrustes_residual(x.turned, y.turned)
    return {
        "a": a,
        "b": b,
        "cka": cka.linear_cka(x.turned, y.turned),
        "cka_unbiased": cka.unbiased_linear_cka(x.turned, y.turned),
        "mutual_knn": float(known.mean()) if len(known) else None,
        "procrustes": _value(residual),
        "ci95": {
            "cka": _listed(cka.linear_cka_interval(x.turned, y.turned)),
            "cka_unbiased": _listed(cka.unbiased_linear_cka_interval(x.turned, y.turned)),
            "mutual_knn": _listed(interval),
            "procrustes": _interval(residual),
        },
        "chance": chance,
        "images": len(catalog.ids),
        "sample": len(x.rows),
        "seed": SEED,
        "k": K,
        "seconds": round(time.perf_counter() - start, 3),
    }


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _interval(estimate: Estimate | IntrinsicDimension | None) -> Interval:
    return None if estimate is None else _listed(estimate.ci95)


def _listed(bounds: tuple[float, float] | None) -> Interval:
    return None if bounds is None else list(bounds)
