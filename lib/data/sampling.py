"""Which files are read under a limit: spread over the classes, and always the same ones."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Mapping


def shuffled_by_class(labels: Mapping[str, str]) -> dict[str, list[str]]:
    """Ids by class in a fixed shuffle. A limit takes ids from the end of each list."""
    queues: dict[str, list[str]] = {}
    for name in sorted(labels, key=lambda name: hashlib.sha256(name.encode()).digest(), reverse=True):
        queues.setdefault(labels[name], []).append(name)
    return queues


def next_block(queues: dict[str, list[str]], counts: Mapping[str, int], size: int) -> list[str]:
    """Remove up to `size` ids from `queues`, each from the class with the fewest images so far.

    `counts` is the number of images by class before the block.
    """
    smallest = [(counts[label], label) for label in queues if queues[label]]
    heapq.heapify(smallest)
    block: list[str] = []
    while smallest and len(block) < size:
        count, label = smallest[0]
        block.append(queues[label].pop())
        if queues[label]:
            heapq.heapreplace(smallest, (count + 1, label))
        else:
            heapq.heappop(smallest)
    return block
