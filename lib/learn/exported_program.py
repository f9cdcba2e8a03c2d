"""Reading a program of `torch.export` without running code of its file.

torch's own reader unpickles what a file asks it to, evaluates its expressions as Python, compiles its guards, and looks
its operations up by name in all of torch. So a file is vetted first, and the very bytes that were vetted are read:
tensors as plain bytes, expressions of sizes, and calls of torch's tensor operations. Everything else is refused.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lib import documents
from lib.errors import Remedy, WeightsError

# Calls: tensor operations, arithmetic of sizes, and the mode without gradients.
_CALL: Final = re.compile(
    r"torch\.ops\.(?:aten|prims|torchvision)\.\w{1,80}(?:\.\w{1,80})?"
    r"|torch\.ops\.higher_order\.wrap_with_set_grad_enabled"
    r"|_operator\.(?:getitem|add|sub|mul|floordiv|truediv|mod|pow|neg|eq|ne|le|lt|ge|gt|and_|or_)"
    r"|torch\.sym_\w{1,40}|math\.(?:ceil|floor|trunc|sqrt)"
)
_READS_FILES: Final = ("from_file", "save", "load")
# Expressions of sizes, as sympy writes them: numbers, symbols, and functions of torch. What stands in quotes is a
# symbol's name or a number.
_SIZES: Final = re.compile(r"[\w+\-*/(), <>=]{0,2000}")
_QUOTED: Final = re.compile(r"'(?:[suz]\d{1,6}|[\d.e+-]{1,40})'")
_NAME: Final = re.compile(r"[A-Za-z_]\w{0,60}")
_SYMBOL: Final = re.compile(r"[suz]\d{1,6}")
# fmt: off
_FUNCTIONS: Final = frozenset({
    "FloorDiv", "CleanDiv", "CeilToInt", "TruncToInt", "IntTrueDiv", "Mod", "PythonMod", "Max", "Min", "floor",
    "ceiling", "Eq", "Ne", "Identity", "True", "False", "oo", "int_oo", "Symbol", "Integer", "Float", "Rational",
    "Add", "Mul", "Pow", "precision", "positive", "nonnegative", "negative", "integer", "real",
})
# fmt: on
# Parts of an archive that torch reads as text, or not at all.
_HARMLESS: Final = re.compile(r"version|byteorder|archive_format|archive_version|\.data/\w{1,60}|extra/.{0,200}")
_CONFIGS: Final = ("data/weights/", "data/constants/")
_PLAIN: Final = re.compile(r"(?:weight|tensor)_\d{1,9}")
_SAMPLES: Final = "data/sample_inputs/"


def load(path: Path) -> Any:
    """The `torch.export.ExportedProgram` in a file.

    Raises WeightsError when the file is no such program, or has what could run code.
    """
    import torch

    try:
        content = _vetted(path)
        program = torch.export.load(io.BytesIO(content))
    except WeightsError:
        raise
    except zipfile.BadZipFile as error:
        raise WeightsError(
            f"The network {path.name} is damaged or not a program of torch.export", remedy=Remedy.NAME_NETWORK
        ) from error
    except Exception as error:  # torch raises many types for a damaged file and for one of another version
        raise unreadable(path, error) from error
    return program


def unreadable(path: Path, error: Exception) -> WeightsError:
    """The error of a file that its library does not read."""
    lines = str(error).strip().splitlines()
    reason = (lines[-1] if lines else type(error).__name__)[:200].rstrip(".")
    return WeightsError(f"The network {path.name} cannot be read ({reason})", remedy=Remedy.NAME_NETWORK)


def refused(path: Path, what: str) -> WeightsError:
    """The error of a file with something that could run code."""
    return WeightsError(
        f"The network {path.name} holds {what}, and reading those could run code; save it anew with torch.export.save, "
        "or as ONNX."
    )


def _vetted(path: Path) -> bytes:
    """The file without its guards and metadata. Raises WeightsError when something in it could run code."""
    vetted = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(vetted, "w") as target:
        names = source.namelist()
        models = [name for name in names if name.endswith("models/model.json")]
        if len(models) != 1:
            raise WeightsError(f"The network {path.name} is not a program of torch.export", remedy=Remedy.NAME_NETWORK)
        root = models[0].removesuffix("models/model.json")
        for name in names:
            data, inner = source.read(name), name.removeprefix(root)
            if name == models[0]:
                data = _vetted_model(path, data)
            elif inner.startswith(_CONFIGS):
                _check_payload(path, inner, data)
            elif inner.startswith(_SAMPLES):
                _check_samples(path, data)
            elif not re.search(
                r"^(?:version|byteorder|archive_format|archive_version|\.data/\w{1,60}|extra/.{0,200})$", inner
            ):
                raise refused(path, f"compiled code or other foreign parts ({inner[:60]})")
            target.writestr(name, data)
    return vetted.getvalue()


def _check_payload(path: Path, name: str, data: bytes) -> None:
    """Raises WeightsError unless a file of weights is plain bytes, or the list of such files."""
    if name.endswith(".json"):
        for entry in json.loads(data)["config"].values():
            if entry.get("use_pickle") is not False or not re.search(
                r"^(?:weight|tensor)_\d{1,9}$", entry["path_name"]
            ):
                raise refused(path, "pickled Python objects")
    elif not _PLAIN.fullmatch(name.rpartition("/")[2]):
        raise refused(path, "pickled Python objects")


def _check_samples(path: Path, data: bytes) -> None:
    """Raises WeightsError unless the examples of inputs are tensors: torch's reader would unpickle anything else."""
    import torch

    try:
        torch.load(io.BytesIO(data), weights_only=True)
    except Exception as error:  # torch raises many types
        raise refused(path, "pickled Python objects") from error


def _vetted_model(path: Path, data: bytes) -> bytes:
    model = json.loads(data)
    for key, value in _items(model):
        if key == "target" and not (_CALL.fullmatch(value) and not any(word in value for word in _READS_FILES)):
            raise refused(path, f"calls of {value[:60]!r}")
        if (key == "expr_str" or key in {"as_expr", "sym_expr"}) and isinstance(value, str) and not _is_size(value):
            raise refused(path, "expressions that are no sizes")
        if isinstance(value, str) and "__enum__" in value:
            raise refused(path, "names of Python classes")
    # Guards are Python that torch would compile; metadata says where in a source an operation stood.
    model["guards_code"] = []
    for key, value in _items(model):
        if key == "metadata" and isinstance(value, dict):
            value.clear()
    return documents.json_text(model).encode()


def _is_size(expression: str) -> bool:
    expression = _QUOTED.sub("0", expression)
    names = _NAME.findall(expression)
    return bool(_SIZES.fullmatch(expression)) and all(_SYMBOL.fullmatch(name) or name in _FUNCTIONS for name in names)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of the objects in a JSON value, with its value."""
    open_values = [value]
    while open_values:
        each = open_values.pop()
        if isinstance(each, dict):
            for key, inner in each.items():
                yield key, inner
                open_values.append(inner)
        elif isinstance(each, list):
            open_values.extend(each)
