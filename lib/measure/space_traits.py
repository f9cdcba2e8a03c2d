"""All traits of a space together: those of its neighbours, of its network's runs, of stored clusters and stability."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from lib.data import tags
from lib.data.catalog import Catalog
from lib.documents.runs import NormalisedRun
from lib.learn import runs as records
from lib.learn.normalise_record import normalise
from lib.measure import clusters as measured_clusters
from lib.measure import stability_traits, stored_stability
from lib.measure.clusters import Clusters
from lib.measure.stored_stability import MeasuredStability
from lib.measure.traits import Trait, tag_traits, traits
from lib.prepare.workspace import Workspace
from lib.search.neighbourhoods import Neighbourhoods


def joined(
    workspace: Workspace,
    space: str,
    catalog: Catalog,
    near: Neighbourhoods,
    runs: Iterable[NormalisedRun] = (),
    clusters: Sequence[Clusters] = (),
    stability: MeasuredStability | None = None,
) -> dict[str, Trait]:
    """The traits of every image in a space, by name, from what is known of the space; tags are not among them.

    Of `runs` only those of the space's own network count, or classifiers on these very weights: other runs see other
    features.
    """
    record = workspace.space(space)["weights"]
    weights = None if record is None else record["name"]
    space_runs = [cast("dict[str, object]", run) for run in runs if weights in (run["id"], run["weights"])]
    default = measured_clusters.default_k(catalog)
    others = [measured_clusters.trait(each, default) for each in clusters]
    if stability is not None:
        others += stability_traits.stability_traits(len(catalog.ids), stability)
    return traits(catalog, space, near, space_runs, others)


def read(workspace: Workspace, space: str, catalog: Catalog) -> dict[str, Trait]:
    """The traits of every image in a space, by name, with all that is stored of it, and the user's tags.

    Raises ArtifactError when the neighbours are missing, or a record of runs or tags is damaged.
    """
    found = joined(
        workspace,
        space,
        catalog,
        workspace.neighbourhoods(space),
        [normalise(run) for run in records.load(workspace.settings)],
        measured_clusters.stored(workspace, space, catalog),
        stored_stability.load(workspace, space),
    )
    return found | tag_traits(catalog, tags.read(workspace.folder))
