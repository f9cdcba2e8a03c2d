"""The tensors of a weights file, loaded into any network of torchvision, whichever version of it wrote them.

Invariant: reading a file runs no code of the file (see `weights_file`).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lib import text
from lib.learn import weights_file

if TYPE_CHECKING:
    import torch

# The two parts of a dense layer in files of before torchvision named them in one word.
_DENSE: Final = re.compile(r"\b(norm|relu|conv)\.([12])\.")


def load(path: Path, network: torch.nn.Module, name: str, head: str) -> None:
    """Load the weights in `path` into a network called `name`, all but its last layer `head`.

    Raises WeightsError that says what the file is instead, or names the first tensor that does not fit.
    """
    notes: list[str] = []
    known = network.state_dict()
    found = {_renamed(key): value for key, value in weights_file.tensors_in(path, notes).items()}
    prefix = _prefix(found, known)
    found = {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}
    found = {key: value for key, value in found.items() if not _left_out(key, head)}
    for key, value in found.items():
        if key in known and value.shape != known[key].shape:
            sides = [" × ".join(map(str, shape)) for shape in (value.shape, known[key].shape)]
            raise weights_file.misfit(path, f"{text.shown_name(key)} has the shape {sides[0]}, not {sides[1]}", name)
    values = weights_file.converted(path, found, notes)
    # Networks rename tensors of old files, some only where the file does not say its version, and MNASNet needs one.
    for version in (False, True):
        state: Any = OrderedDict(values)
        if version:
            state._metadata = known._metadata  # type: ignore[attr-defined]
        try:
            result = network.load_state_dict(state, strict=False)
        except ValueError:
            continue
        except RuntimeError as error:
            raise weights_file.misfit(path, text.shortened(text.one_line(str(error)), 200), name) from error
        lacking = [key for key in result.missing_keys if not (_left_out(key, head) or key.endswith("_tracked"))]
        if result.unexpected_keys:
            raise weights_file.misfit(path, f"{text.shown_name(result.unexpected_keys[0])} is no part of it", name)
        if lacking:
            raise weights_file.misfit(path, f"{lacking[0]} is missing", name)
        return


def _left_out(key: str, head: str) -> bool:
    """Whether a tensor belongs to the last layer, or to an auxiliary classifier."""
    return key.startswith(f"{head}.") or key.lower().startswith("aux")


def _renamed(key: str) -> str:
    return _DENSE.sub(r"\1\2.", key) if "denselayer" in key else key


def _prefix(found: dict[str, torch.Tensor], known: dict[str, Any]) -> str:
    """What stands before the names of the network's tensors in a file, such as `module.`; "" where nothing does."""
    first = next(iter(known))
    before = [key.removesuffix(first) for key in found if key.endswith(f".{first}")]
    return "" if first in found or not before else min(before, key=len)
