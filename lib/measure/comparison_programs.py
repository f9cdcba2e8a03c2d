"""The programs that reproduce the comparisons of whole spaces and of the stages of networks (see `reproduction`)."""

from __future__ import annotations

from lib.data.catalog import Catalog
from lib.embed import spaces
from lib.learn.linear_probe import STRENGTHS
from lib.measure import depth, network_depth, space_diagnosis
from lib.measure.reproduction import Reproduction, command, head
from lib.prepare.workspace import Workspace
from lib.retrieval import reproduce
from lib.search import intrinsic_dimension
from lib.search.space_agreement import K

# --- spaces ----------------------------------------------------------------------------------------------------------


def diagnoses(workspace: Workspace) -> Reproduction:
    """The diagnosis of every space, and the comparison of every two."""
    files = {}
    folder = workspace.folder.relative_to(workspace.settings.artifacts).as_posix()
    for space in workspace.spaces:
        near = f"{folder}/{workspace.space(space)['neighbours']}"
        files[space] = (reproduce.places(workspace, space).vectors, near)
    catalog = f"{folder}/{workspace.state['catalog']}"
    lines = [
        *head(catalog, "from scipy.stats import skew", "from sklearn.metrics import silhouette_score"),
        "# By space, its vectors and the nearest photos of each photo, as they are stored",
        "files = {",
        *(f"    {space!r}: {pair!r}," for space, pair in files.items()),
        "}",
        '_, first, same = np.unique(photos["sha256"].to_numpy(dtype=str), return_index=True, return_inverse=True)',
        "sample = np.sort(first)  # of copies one",
        f"if len(sample) > {space_diagnosis.SAMPLE}:",
        f"    sample = np.sort(np.random.default_rng({space_diagnosis.SEED}).choice(sample, {space_diagnosis.SAMPLE}, "
        "replace=False))",
        'labels = photos["label"].to_numpy(dtype=str)[sample]',
        "",
        *_SPACES.format(k=K, kept=1 - intrinsic_dimension.DISCARDED, zero=intrinsic_dimension.ZERO).splitlines(),
    ]
    return Reproduction(command("spaces"), "\n".join(lines))


_SPACES = """\
def effective_rank(vectors):  # Roy and Vetterli 2007
    p = np.linalg.svd(vectors, compute_uv=False)
    p = p[p > 1e-7 * p[0]] / p.sum()
    return np.exp(-(p * np.log(p)).sum())


def two_nn(rows, cosines):  # Facco et al. 2017
    near = np.sqrt(np.maximum(0, 2 - 2 * cosines[first].astype("float64")))
    picture = np.where(rows[first] >= 0, same[rows[first]], -1)
    other = (picture != picture[:, :1]) & (picture >= 0)  # the second neighbour is another picture than the first
    has_two = other.any(axis=1) & (near[:, 0] > {zero})
    ratio = np.sort((near[np.arange(len(first)), other.argmax(axis=1)] / near[:, 0])[has_two])
    kept = int(len(ratio) * {kept})
    x, y = np.log(ratio[:kept]), -np.log1p(-np.arange(1, kept + 1) / len(ratio))
    return (x @ y) / (x @ x)


def unbiased(k, l):  # HSIC1 (Song et al. 2012) of two tables of inner products
    k, l, n = k - np.diag(np.diag(k)), l - np.diag(np.diag(l)), len(k)
    sums = k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 * (k.sum(axis=0) @ l.sum(axis=0)) / (n - 2)
    return ((k * l).sum() + sums) / (n * (n - 3))


apart = ~np.eye(len(sample), dtype=bool)
grams, turned, nearest = {{}}, {{}}, {{}}
for name, (vectors, neighbours) in files.items():
    stored = np.load(home / neighbours)
    x = np.load(home / vectors)[sample].astype("float64")
    cosine = (x @ x.T) / np.outer(*2 * [np.linalg.norm(x, axis=1)])
    distance = np.clip(1 - cosine, 0, 2) * apart
    x -= x.mean(axis=0)
    spectrum, axes = np.linalg.eigh(x @ x.T)
    turned[name] = axes * np.sqrt(np.maximum(spectrum, 0))  # the same inner products in fewer dimensions
    grams[name], nearest[name] = x @ x.T, stored["rows_cosine"][:, :{k}]
    counts = np.bincount(nearest[name][nearest[name] >= 0], minlength=len(photos))
    alike = (labels[:, None] == labels) & apart
    figures = {{
        "intrinsic dimension": two_nn(stored["rows_cosine"], stored["values_cosine"]),
        "effective rank": effective_rank(turned[name]),
        "mean cosine": cosine[apart].mean(),
        "alignment": 2 * distance[alike].mean(),
        "uniformity": np.log(np.exp(-4 * distance[apart]).mean()),
        "hubness": skew(counts),
    }}
    if len(set(labels)) > 1:
        figures["silhouette"] = silhouette_score(distance, labels, metric="precomputed")
    print(name, *(f"{{title}} {{value:.4f}}" for title, value in figures.items()), sep="\\t")

names = list(files)
for i, a in enumerate(names):
    for b in names[i + 1 :]:
        k, l = grams[a], grams[b]
        shared = [len(set(p) & set(q)) / {k} for p, q in zip(nearest[a], nearest[b])]
        nuclear = np.linalg.svd(turned[a].T @ turned[b], compute_uv=False).sum()
        figures = {{
            "CKA": (k * l).sum() / np.linalg.norm(k) / np.linalg.norm(l),
            "unbiased CKA": unbiased(k, l) / np.sqrt(unbiased(k, k) * unbiased(l, l)),
            "mutual k-NN": np.mean(shared),
            "Procrustes": 1 - nuclear**2 / (np.trace(k) * np.trace(l)),
        }}
        print(a, b, *(f"{{title}} {{value:.4f}}" for title, value in figures.items()), sep="\\t")
"""


# --- depth -----------------------------------------------------------------------------------------------------------


def stages(workspace: Workspace, catalog: Catalog, found: depth.Depth) -> Reproduction:
    """What each stage of each network knows, and how alike the last stages are; there is no command for it."""
    chosen = depth.networks(workspace, catalog)
    folder = workspace.folder.relative_to(workspace.settings.artifacts).as_posix()
    measured = f"{folder}/{network_depth.FOLDER}"
    files = {
        name: f"{measured}/{network_depth.file(workspace, catalog, found.rows, name, weights).name}"
        for name, weights in chosen.items()
    }
    pixels = []
    if network_depth.PIXELS in found.networks:
        place = reproduce.places(workspace, network_depth.PIXELS)
        pixels = [f'stages = {{("pixels", "pixels"): np.load(home / {place.vectors!r})[rows]}}  # no stages']
    comparison = f"{measured}/{depth.file(workspace, catalog, chosen).name}"
    lines = [
        *head(
            f"{folder}/{workspace.state['catalog']}",
            "from sklearn.linear_model import LogisticRegression",
            "from sklearn.pipeline import make_pipeline",
            "from sklearn.preprocessing import StandardScaler",
        ),
        "# The photos of the sample, and the files that hold their vectors after each stage of a network",
        f'rows = np.load(home / {comparison!r})["rows"]',
        "files = {",
        *(f"    {name!r}: {file!r}," for name, file in files.items()),
        "}",
        *(pixels or ["stages = {}"]),
        *_DEPTH.format(
            cut=network_depth.CUT,
            strengths=STRENGTHS,
            side=network_depth.PROBED_SIDE,
            step=spaces.PIXEL_SIDE // network_depth.PROBED_SIDE,
            compared=depth.MOST_COMPARED,
            seed=depth.SEED,
        ).splitlines(),
    ]
    return Reproduction("", "\n".join(lines))


_DEPTH = """\
for network, file in files.items():
    stored = np.load(home / file)
    names = [name for name in stored.files if name.startswith("vectors_")]
    stages |= {{(network, name.removeprefix("vectors_")): stored[name] for name in names}}

photos = photos.iloc[rows]
labels, pictures, split = (photos[column].to_numpy() for column in ("label", "sha256", "split"))
test = split == "test"
copies = pictures[test][:, None] == pictures[~test]  # a copy of the query is no result
relevant = (labels[test][:, None] == labels[~test]) & ~copies
counted = relevant.any(axis=1)  # the queries with another photo of their class


def accuracy(x):  # a linear probe (Alain and Bengio 2016); its strength is chosen on the validation photos
    parts = [(x[split == name], labels[split == name]) for name in ("train", "val", "test")]
    probes = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000)).fit(*parts[0]) for c in {strengths}
    ]
    best = max(probes, key=lambda probe: probe.score(*parts[1])) if len(parts[1][1]) else probes[1]
    return best.score(*parts[2])


for (network, stage), stored in stages.items():
    x = stored.astype("float64")
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
    order = np.argsort(np.where(copies, np.inf, -(x[test] @ x[~test].T)), axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)[counted]
    at_rank = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    probed = stored
    if network == "pixels":
        probed = stored.reshape(-1, {side}, {step}, {side}, {step}, 3).mean(axis=(2, 4), dtype="float32") / 255
        probed = probed.reshape(len(stored), -1)
    figures = {{
        "P@{cut}": hits[:, :{cut}].mean(),
        "mAP": ((hits * at_rank).sum(axis=1) / hits.sum(axis=1)).mean(),
        "linear probe": accuracy(probed),
    }}
    print(network, stage, *(f"{{title}} {{value:.4f}}" for title, value in figures.items()), sep="\\t")


def hsic(k, l):  # HSIC1 (Song et al. 2012) of two tables of inner products
    n = len(k)
    sums = k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 * (k.sum(axis=0) @ l.sum(axis=0)) / (n - 2)
    return ((k * l).sum() + sums) / (n * (n - 3))


# Likeness: unbiased linear CKA (Nguyen, Raghu and Kornblith 2021)
places = np.sort(np.random.default_rng({seed}).permutation(len(rows))[:{compared}])
grams = {{}}
for item, stored in stages.items():
    x = stored[places].astype("float64")
    x = (x - x.mean(axis=0)) / np.abs(x).max()
    grams[item] = x @ x.T
    np.fill_diagonal(grams[item], 0)
items = list(grams)
for i, a in enumerate(items):
    for b in items[i + 1 :]:
        value = hsic(grams[a], grams[b]) / np.sqrt(hsic(grams[a], grams[a]) * hsic(grams[b], grams[b]))
        print("likeness", *a, *b, f"{{value:.4f}}", sep="\\t")
"""
