"""A search on screen as a command line and as short programs that reproduce it.

Invariants: the text holds no tokens and no local paths (programs read places from the environment), and every string
from outside (ids, labels) is quoted for the shell, Python or Milvus.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from lib.embed import spaces
from lib.errors import ArtifactError
from lib.prepare.workspace import Workspace
from lib.retrieval.feedback import NO_MARKS, Marks
from lib.retrieval.search import ANY_ANSWER, AnswerFilter
from lib.search import rocchio
from lib.search.metrics import metric
from lib.store import collections, filters, vector_search

YOURS, VECTOR_FILE = "your-photo.jpg", "query.npz"


@dataclass(frozen=True)
class Reproduction:
    """A search. `images` are the ids of the queries, empty for a picture or vector from outside; `left_out` are the ids
    that may not be results; `part` is the crop, "" or "left,top,right,bottom"; `marks` move the query. `text` is
    that of a query by text."""

    images: Sequence[str]
    space: str
    metric: str
    k: int
    engine: str = "exact"
    answer_filter: AnswerFilter = ANY_ANSWER
    keep_duplicates: bool = False
    part: str = ""
    unit: bool = False
    left_out: Sequence[str] = ()
    marks: Marks = NO_MARKS
    text: str = ""


@dataclass(frozen=True)
class Place:
    """The files of the catalog and of a space's vectors, relative to the artifacts folder, and the base name of the
    space's collections ("" when it has none)."""

    catalog: str
    vectors: str
    collection: str


def places(opened: Workspace, space: str) -> Place:
    """The files of a space and its collections, as the programs name them."""
    folder = opened.folder.relative_to(opened.settings.artifacts).as_posix()
    try:
        base = opened.collection(space) if spaces.get(space).in_milvus else ""
    except ArtifactError:  # not stored at this address
        base = ""
    vectors = opened.space(space)["folder"]
    return Place(f"{folder}/{opened.state['catalog']}", f"{folder}/{vectors}/vectors.npy", base)


def command(recipe: Reproduction, other: Reproduction | None = None) -> str:
    """The command line that prints the same results; with `other`, the one that compares both searches."""
    first, *more = recipe.images or ("" if recipe.text else YOURS,)
    arguments = ["python", "-m", "lib", "compare" if other else "search"]
    arguments += [f"--text={recipe.text}"] if recipe.text else [] if first.startswith("-") else [first]
    for image in more:
        arguments += [f"--also={image}"]
    arguments += ["--space", recipe.space]
    if other is None:
        arguments += ["--metric", recipe.metric]
    else:
        arguments += ["--a", recipe.metric, "--b", other.metric]
        arguments += ["--b-space", other.space] if other.space != recipe.space else []
    arguments += ["--k", str(recipe.k)]
    arguments += ["--engine", recipe.engine] if recipe.engine != "exact" else []
    arguments += ["--crop", recipe.part] if recipe.part else []
    arguments += [f"--label={label}" for label in recipe.answer_filter.labels]
    arguments += [f"--split={split}" for split in recipe.answer_filter.splits]
    arguments += [f"--tag={name}" for name in recipe.answer_filter.tags]
    arguments += ["--keep-duplicates"] if recipe.keep_duplicates else []
    arguments += ["--normalise"] if recipe.unit else []
    arguments += _mark_arguments(recipe.marks)
    # An id may begin with a dash.
    arguments += ["--", first] if first.startswith("-") else []
    return shlex.join(arguments)


def _mark_arguments(marks: Marks) -> list[str]:
    arguments = [f"--right={image}" for image in marks.right] + [f"--wrong={image}" for image in marks.wrong]
    if marks and marks.weights != rocchio.USUAL:
        arguments += ["--rocchio", ",".join(f"{each:g}" for each in _weights(marks))]
    return arguments


def explain_command(recipe: Reproduction, answer: str) -> str:
    """The command line that says why `answer` is as close to the query as the metric says."""
    query = recipe.images[0] if recipe.images else YOURS
    arguments = ["python", "-m", "lib", "explain", "--space", recipe.space, "--metric", recipe.metric]
    arguments += ["--crop", recipe.part] if recipe.part else []
    arguments += ["--normalise"] if recipe.unit else []
    arguments += _mark_arguments(recipe.marks)
    # An id may begin with a dash.
    return shlex.join([*arguments, *(["--"] if query.startswith("-") or answer.startswith("-") else []), query, answer])


def faiss_program(recipe: Reproduction, place: Place) -> str:
    """A program that finds the same ids in the stored vectors.

    It uses faiss, or SciPy for the mean rank over several queries. The vector of a picture from outside is read from
    `query.npz`.
    """
    several, fast = len(recipe.images) > 1, metric(recipe.metric).kernel is not None
    lines = [
        "import os",
        "from pathlib import Path",
        "",
        *([] if several or not fast else ["import faiss"]),
        "import numpy as np",
        "import pandas as pd",
        *(["from scipy.spatial.distance import cdist"] if several and fast else []),
        *([] if fast else [_REFERENCE]),
        "",
        'home = Path(os.environ.get("PETALSCOPE_ARTIFACTS", "artifacts"))',
        f"photos = pd.read_parquet(home / {place.catalog!r})",
        f'x = np.load(home / {place.vectors!r}).astype("float{64 if several else 32}")',
    ]
    lines += ["x /= 255"] if spaces.get(recipe.space).dtype == "uint8" else []
    if recipe.images and not recipe.part:
        lines += [f'queries = photos.index[photos["id"].isin({list(recipe.images)!r})]', "q = x[queries]"]
        column = "id" if recipe.keep_duplicates else "sha256"
        left_out = f'photos["{column}"].isin(photos["{column}"][queries])'
        lines.append(f"keep = ~{left_out}  # {'the query' if recipe.keep_duplicates else 'the query and exact copies'}")
    else:
        lines += [
            f'q = np.load("{VECTOR_FILE}")["vector"].astype("float32").reshape(1, -1)  # saved from the page',
            *(["q /= 255"] if spaces.get(recipe.space).dtype == "uint8" else []),
            f'keep = ~photos["id"].isin({list(recipe.left_out)!r})',
        ]
    allowing = recipe.answer_filter
    tagged = allowing.tagged if allowing.tags else ()
    for column, allowed in (("label", allowing.labels), ("split", allowing.splits), ("id", tagged)):
        lines += [f'keep &= photos["{column}"].isin({list(allowed)!r})'] if allowed else []
    if recipe.marks:
        lines.append(f'right, wrong = (x[photos["id"].isin(ids)] for ids in {_marked_ids(recipe.marks)})')
    lines += ["x = np.ascontiguousarray(x[keep])"]
    if recipe.unit:
        names = "x, q, right, wrong" if recipe.marks else "x, q"
        lines += [f"{names} = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in ({names}))  # to length 1"]
    if recipe.marks:
        lines += [*moving(recipe.metric, recipe.marks, spaces.get(recipe.space).dtype == "uint8")]
        lines += ['q = q.astype("float32")']
    return "\n".join([*lines, *(_several(recipe) if several else _single(recipe))])


def _weights(marks: Marks) -> tuple[float, float, float]:
    return marks.weights.alpha, marks.weights.beta, marks.weights.gamma


def _marked_ids(marks: Marks) -> str:
    return f"({list(marks.right)!r}, {list(marks.wrong)!r})"


def moving(metric_name: str, marks: Marks, pixels: bool) -> list[str]:
    """The lines that move `q` (1, dim) by the rows of `right` and `wrong`: `rocchio.moved` in NumPy."""
    alpha, beta, gamma = (f"{each:g}" for each in _weights(marks))
    kernel = metric(metric_name).kernel
    directions, centred = kernel in ("products", "centred products"), kernel == "centred products"
    lines = ["", "# The query moved by relevance feedback (Rocchio 1971)"]
    form = "direction({}).mean(axis=0)" if directions else '{}.mean(axis=0, dtype="float64")'
    terms = [f"{alpha} * " + ("direction(q)" if directions else "q")]
    terms += [f"+ {beta} * " + form.format("right")] if marks.right else []
    terms += [f"- {gamma} * " + form.format("wrong")] if marks.wrong else []
    if not directions:
        weights = " ".join([alpha, *([f"+ {beta}"] if marks.right else []), *([f"- {gamma}"] if marks.wrong else [])])
        lines += [f"q = ({' '.join(terms)}) / ({weights})"]
    else:
        lines += ["def direction(v):", '    v = v.astype("float64")']
        lines += ["    v = v - v.mean(axis=1, keepdims=True)"] if centred else []
        lines += ["    return v / np.linalg.norm(v, axis=1, keepdims=True)", "", ""]
        mean = "q.mean()" if centred else "0"
        lines += [f"mean, length = {mean}, np.linalg.norm(q - {mean})"] if pixels else []
        lines += [f"q = {' '.join(terms)}"]
        lines += ["q = q * length / np.linalg.norm(q) + mean"] if pixels else []
    lines += ["q = np.clip(np.rint(255 * q), 0, 255) / 255  # a picture again"] if pixels else []
    return [*lines, ""]


# What neither faiss nor Milvus computes; to be run in Petalscope's folder.
_REFERENCE = "from lib.search.metrics import order, reference"


def _single(recipe: Reproduction) -> list[str]:
    if metric(recipe.metric).kernel is None:
        return [
            f"best = order(reference({recipe.metric!r}, q[0], x), {recipe.metric!r})[:{recipe.k}]",
            'print(*photos["id"][keep].iloc[best], sep="\\n")',
        ]
    similar = metric(recipe.metric).higher_is_closer
    lines = ["x, q = (v - v.mean(axis=1, keepdims=True) for v in (x, q))"] if recipe.metric == "ncc" else []
    lines += ["faiss.normalize_L2(x), faiss.normalize_L2(q)"] if similar else []
    kind = {"l1": "METRIC_L1", "mse": "METRIC_L2", "l2": "METRIC_L2"}.get(recipe.metric, "METRIC_INNER_PRODUCT")
    return [
        *lines,
        f"index = faiss.IndexFlat(x.shape[1], faiss.{kind})",
        "index.add(x)",
        f"values, rows = index.search(q, min({recipe.k + 8}, index.ntotal))",
        f"best = np.lexsort((rows[0], {'-' if similar else ''}values[0]))[:{recipe.k}]  # equal values by id",
        'print(*photos["id"][keep].iloc[rows[0][best]], sep="\\n")',
    ]


def _several(recipe: Reproduction) -> list[str]:
    kinds = {"l1": "cityblock", "mse": "sqeuclidean", "l2": "sqeuclidean", "cosine": "cosine", "ncc": "correlation"}
    if recipe.metric in kinds:
        ranked = f'cdist(q, x, "{kinds[recipe.metric]}").argsort(axis=1, kind="stable")'
    else:
        ranked = f"np.stack([order(reference({recipe.metric!r}, each, x), {recipe.metric!r}) for each in q])"
    return [
        f"ranking = {ranked}",
        "ranks = np.empty(ranking.shape)",
        "np.put_along_axis(ranks, ranking, np.arange(1.0, len(x) + 1)[None], axis=1)",
        f'best = ranks.mean(axis=0).argsort(kind="stable")[:{recipe.k}]  # the lowest mean rank',
        'print(*photos["id"][keep].iloc[best], sep="\\n")',
    ]


def milvus_program(recipe: Reproduction, place: Place) -> str | None:
    """A program that searches the space's collection with pymilvus; None for searches that Milvus does not support."""
    if not place.collection or len(recipe.images) > 1 or recipe.unit:
        return None
    name = collections.collection_for(place.collection, recipe.metric)
    by_candidates = metric(recipe.metric).milvus is None  # which Milvus does not have
    limit, params = vector_search.plan_search(recipe.metric, recipe.k, len(recipe.left_out))
    outside = not recipe.images or bool(recipe.part)
    lines = [
        "import os",
        "",
        *(["import numpy as np"] if outside or by_candidates or recipe.marks else []),
        *(["import pandas as pd"] if not outside and not recipe.keep_duplicates else []),
        "from pymilvus import MilvusClient",
        *([_REFERENCE] if by_candidates and recipe.metric != "l1" else []),
        "",
        "# One process at a time owns a Milvus Lite store: stop the app first, or use a server.",
        'home = os.environ.get("PETALSCOPE_ARTIFACTS", "artifacts")',
        'uri = os.environ.get("MILVUS_URI") or os.path.join(home, "petalscope.db")',
        'client = MilvusClient(uri, token=os.environ.get("MILVUS_TOKEN", ""))',
        f"name = {name!r}",
        "client.load_collection(name)",
    ]
    if outside:
        lines += [
            f'q = np.load("{VECTOR_FILE}")["vector"].astype("float32")  # saved from the page',
            f"left_out = set({list(recipe.left_out)!r})",
        ]
        lines += ["q -= q.mean()"] if recipe.metric == "ncc" else []
    else:
        image = recipe.images[0]
        expression = f"id == {filters.quoted(image)}"
        lines += [f'row = client.query(name, filter={expression!r}, output_fields=["vector"])[0]', 'q = row["vector"]']
        if recipe.keep_duplicates:
            lines += [f"left_out = {{{image!r}}}"]
        else:
            lines += [
                f'photos = pd.read_parquet(os.path.join(home, {place.catalog!r})).set_index("id")',
                f'same = photos["sha256"] == photos["sha256"][{image!r}]  # the query and its exact copies',
                "left_out = set(photos.index[same])",
            ]
    if recipe.marks:
        expression = f"id in [{', '.join(map(filters.quoted, recipe.marks.ids))}]"
        lines += [
            f'rows = client.query(name, filter={expression!r}, output_fields=["id", "vector"])',
            'marked = {row["id"]: np.array(row["vector"]) for row in rows}',
            f"right, wrong = (np.array([marked[each] for each in ids]) for ids in {_marked_ids(recipe.marks)})",
            "q = np.array(q)[None]",
            *moving(recipe.metric, recipe.marks, pixels=False),
            "q = q[0]",
        ]
    fields = '["vector"]' if by_candidates else '["id"]'
    lines += [
        "hits = client.search(",
        f'    name, data=[q], anns_field="vector", limit={limit}, search_params={{"params": {params!r}}},',
        f"    filter={recipe.answer_filter.expression()!r}, output_fields={fields},",
        ")[0]",
    ]
    sign = "-" if metric(recipe.metric).higher_is_closer else ""
    if recipe.metric == "l1":  # Milvus has no L1: its candidates are ranked again
        value = 'float(np.abs(np.array(hit["entity"]["vector"], float) - np.array(q, float)).sum())'
    elif by_candidates:
        vectors = 'np.array(q, float), np.array([hit["entity"]["vector"]], float)'
        value = f"{sign}reference({recipe.metric!r}, {vectors})[0]"
    else:
        value = f'{sign}hit["distance"]'
    lines += [
        f'results = sorted(({value}, hit["id"]) for hit in hits if hit["id"] not in left_out)',
        f'print(*[image_id for _, image_id in results[:{recipe.k}]], sep="\\n")',
    ]
    return "\n".join(lines)
