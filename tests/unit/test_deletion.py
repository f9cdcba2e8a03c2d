"""benchmarks.deletion: pairs are of one class, and exactly the chosen cells are painted over."""

from __future__ import annotations

import numpy as np

from benchmarks import deletion
from lib.prepare.workspace import Workspace


def test_pairs_are_of_one_class_and_no_copies(opened: Workspace) -> None:
    catalog = opened.catalog()
    drawn = deletion.pairs(catalog, 40, np.random.default_rng(0))
    assert len(set(drawn)) == 40
    assert all(catalog.labels[query] == catalog.labels[answer] for query, answer in drawn)
    assert all(catalog.hashes[query] != catalog.hashes[answer] for query, answer in drawn)
    assert drawn == deletion.pairs(catalog, 40, np.random.default_rng(0))


def test_the_chosen_cells_get_the_mean_colour_and_no_others() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    cells = np.zeros((4, 4), dtype=bool)
    cells[1, 2] = cells[3, 0] = True
    painted = deletion.paint(photo, cells)
    inside = cells.repeat(8, axis=0).repeat(8, axis=1)
    assert (painted[inside] == photo.reshape(-1, 3).mean(axis=0).round()).all()
    np.testing.assert_array_equal(painted[~inside], photo[~inside])


def test_losses_are_those_of_the_networks_cosine(opened: Workspace) -> None:
    embed, catalog = opened.embedder("resnet18"), opened.catalog()
    rng = np.random.default_rng(0)
    strongest, chance = deletion.losses(catalog, embed, [(0, 3), (20, 25)], rng)
    assert strongest.shape == chance.shape == (2,)
    # A painted photo is another photo.
    assert np.abs(strongest).min() > 1e-6
    share, p = deletion.rows(np.array([0.2, 0.3, 0.1]), np.array([0.0, 0.4, 0.05]), embed)
    assert (share.ours, share.peer) == (2 / 3, deletion.AIM)
    assert "0.2000 against 0.1500" in share.note
    assert p.ours > 0.1
