"""What stands in the place of classes where photos have no labels: the clusters, in one sentence."""

from __future__ import annotations

from lib.embed import spaces
from lib.measure.clusters import Clusters
from lib.measure.data_set_verdicts import NOT_MEASURED, DataSetVerdict
from lib.measure.verdicts import Verdict
from lib.search.clustering import KMEANS, METHODS
from lib.text import counted

NAME = "clusters"
SCORES = "Scores and training need labels."


def verdict(found: Clusters | None, space: str, images: int) -> DataSetVerdict:
    """How the photos fall into clusters in `space`; `found` is None where they are not measured."""
    title, start = "Without labels", f"{counted(images, 'photo')} without labels"
    if found is None:
        return DataSetVerdict(NAME, title, Verdict(f"{start}. Clusters: {NOT_MEASURED}", SCORES))
    document = found.document
    sizes = [each["size"] for each in document["clusters"]]
    if not sizes:
        return DataSetVerdict(NAME, title, Verdict(f"{start}; no vector has a direction to cluster by.", SCORES))
    span = f"{sizes[-1]:,} to {sizes[0]:,} photos" if sizes[0] > sizes[-1] else counted(sizes[0], "photo")
    text = f"{start} fall into {counted(len(sizes), 'cluster')} of {span} in {spaces.get(space).title}."
    about = (
        f"{METHODS[KMEANS].about}; over {document['points']}. The number of clusters is set, not found: HDBSCAN finds "
        f"one. {SCORES}"
    )
    return DataSetVerdict(NAME, title, Verdict(text, about), choices={"space": space})
