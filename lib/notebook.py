"""Petalscope in a notebook or a program: `from lib import open_workspace`.

Five calls (`catalog`, `vectors`, `search`, `evaluate`, `explain`) return DataFrames and arrays. They call the functions
that the commands call, so their figures are those of the commands. Every frame says in `attrs["provenance"]` where it
comes from. Rows of `catalog` and `vectors` belong together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from lib import settings as settings_module
from lib.prepare import workspace as workspaces
from lib.prepare.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL import Image

    from lib.documents.search import EvaluationRow, ExplainDocument

SPACE, METRIC, K = "resnet18", "cosine", 10
PROVENANCE: Final = "provenance"


@dataclass(frozen=True)
class Explained:
    """Why two photos are as close as a metric says, as `python -m lib explain` has it.

    `query` and `answer` (h, w) are the parts of the value at each position of both photos; `sum` is what the parts sum
    to: the value, or for L2 its square. `dimensions` has a row for each dimension (dimension, part, query, answer), the
    largest part first. `document` is the command's whole document.
    """

    value: float
    sum: float
    query: np.ndarray
    answer: np.ndarray
    dimensions: pd.DataFrame
    document: ExplainDocument


@dataclass(frozen=True)
class OpenWorkspace:
    """A prepared data set. `workspace` is what all of Petalscope works with, for what these calls do not offer."""

    workspace: Workspace

    @property
    def spaces(self) -> list[str]:
        """The names of the spaces that are prepared."""
        return self.workspace.spaces

    def catalog(self) -> pd.DataFrame:
        """A row for each image: id, label, split, width and height (px), sha256 (of the pixels), the user's factors."""
        from lib.measure.traits import FACTOR

        frame = self.workspace.catalog().frame
        columns = ["id", "label", "split", "width", "height", "sha256"]
        found = frame[columns + [name for name in frame.columns if name.startswith(FACTOR)]].copy()
        dataset = self.workspace.state["dataset"]
        found.attrs[PROVENANCE] = {"dataset": dataset["name"], "data_fingerprint": dataset["fingerprint"]}
        return found

    def vectors(self, space: str = SPACE) -> np.ndarray:
        """The vectors of a space (n, dim), row for row with `catalog`: float32, of pixels uint8. Read only.

        Raises ArtifactError when the space is not prepared.
        """
        return self.workspace.vectors(space).values

    def search(
        self,
        query: str | Path | Image.Image,
        *,
        space: str = SPACE,
        metric: str = METRIC,
        k: int = K,
        engine: Literal["exact", "milvus"] = "exact",
        keep_duplicates: bool = False,
    ) -> pd.DataFrame:
        """The `k` images closest to an id, a file or a picture: rank, id, label, value, gap (to the next value).

        Raises QueryError for an unknown id or metric, ArtifactError when the space is not prepared.
        """
        import pandas as pd

        from lib.retrieval import search
        from lib.retrieval.query import find_query, query_picture

        loaded = search.load_space(self.workspace, space)
        if isinstance(query, str | Path):
            wanted = find_query(loaded.catalog, str(query))
        else:
            wanted = query_picture(loaded.catalog, query.convert("RGB"), "picture")
        document = search.search(
            self.workspace,
            loaded,
            [wanted],
            metric_name=metric,
            k=k,
            engine=engine,
            keep_duplicates=keep_duplicates,
        )
        frame = pd.DataFrame(document["results"], columns=["rank", "id", "label", "value", "gap"])
        frame.attrs[PROVENANCE] = self._provenance(space) | {"query": wanted.name, "metric": metric, "engine": engine}
        return frame

    def evaluate(
        self,
        space: str | None = None,
        metric: str | None = None,
        *,
        k: int = K,
        queries: Literal["test", "all"] = "test",
    ) -> pd.DataFrame:
        """Scores of spaces and metrics (None: all of them), a row each: space, metric, queries, gallery, `P@1` and the
        like, `mAP` with its 95 % interval (`mAP low`, `mAP high`), and the scores without leaks.

        A score is NaN where it is undefined. Raises QueryError when no image is a query.
        """
        import pandas as pd

        from lib.embed import spaces
        from lib.measure import evaluation, leaks

        names = self.spaces if space is None else [spaces.get(space).name]
        near = leaks.find_or_none(self.workspace, self.workspace.catalog())
        rows: list[dict[str, Any]] = []
        for name in names:
            measured = evaluation.evaluate(
                self.workspace, name, None if metric is None else [metric], k=k, queries=queries, near=near
            )
            rows += map(_scores, measured)
        frame = pd.DataFrame(rows)
        frame.attrs[PROVENANCE] = {name: self._provenance(name) for name in names}
        return frame

    def explain(self, query: str | Path, answer: str | Path, *, space: str = SPACE, metric: str = METRIC) -> Explained:
        """Where in two photos (ids or files), and in which dimensions, a metric's value between them comes from.

        Raises QueryError for an unknown id or metric, ArtifactError when the weights of the space are gone.
        """
        import numpy as np
        import pandas as pd

        from lib.retrieval import explain, search
        from lib.retrieval.query import find_query

        loaded = search.load_space(self.workspace, space)
        first, second = (find_query(loaded.catalog, str(name)) for name in (query, answer))
        document = explain.of_pair(self.workspace, loaded, metric, first, second)
        frame = pd.DataFrame(document["dimensions"])
        frame.attrs[PROVENANCE] = self._provenance(space) | {"metric": metric}
        parts = document["parts"]
        return Explained(
            document["value"], document["sum"], np.array(parts["query"]), np.array(parts["answer"]), frame, document
        )

    def _provenance(self, space: str) -> dict[str, Any]:
        entry = self.workspace.space(space)
        weights = entry["weights"]
        return {
            "data_fingerprint": entry["data_fingerprint"],
            "space_fingerprint": entry["fingerprint"],
            "weights": None if weights is None else weights["name"],
            "petalscope": settings_module.VERSION,
        }


def _scores(row: EvaluationRow) -> dict[str, Any]:
    """A row of the `evaluate` document without its nesting."""
    low, high = row["ci95"]["map"] or (None, None)
    clean = row.get("without_leaks")
    scores: dict[str, Any] = {name: row[name] for name in ("space", "metric", "queries", "left_out", "gallery")}
    for title, measure in (("P", row["precision"]), ("R", row["recall"]), ("nDCG", row["ndcg"])):
        scores |= {f"{title}@{cut}": _number(value) for cut, value in measure.items()}
    scores |= {"R-Prec": _number(row["r_precision"]), "MAP@R": _number(row["map_at_r"]), "MRR": _number(row["mrr"])}
    scores |= {"mAP": _number(row["map"]), "mAP low": _number(low), "mAP high": _number(high)}
    scores["mAP without leaks"] = _number(None if clean is None else clean["map"])
    return scores


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def open_workspace(
    data: str | Path | None = None,
    artifacts: str | Path | None = None,
    *,
    weights: str | None = None,
    seed: int | None = None,
) -> OpenWorkspace:
    """The prepared data set of a folder of photos and a folder of artifacts: those of the environment by default.

    Raises ArtifactError when the data set is not prepared, DataError when the folder is not there.
    """
    chosen = settings_module.from_environment(
        data=None if data is None else Path(data),
        artifacts=None if artifacts is None else Path(artifacts),
        weights=weights,
        seed=seed,
    )
    return OpenWorkspace(workspaces.open_workspace(chosen))
