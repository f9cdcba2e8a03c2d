"""The command line: the steps of the dashboard as commands. `python -m lib COMMAND --help` says what each takes.

With `--json` exactly one JSON document goes to stdout. Everything else (progress, warnings, errors) goes to stderr.
Exit status: 0 done, 1 could not, 2 usage that does not parse. Options are in `lib.commands.options`, what each command
does and shows in the modules beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from lib import documents
from lib import settings as settings_module
from lib.commands.options import parser
from lib.errors import PetalscopeError


def main(arguments: Sequence[str] | None = None, **overrides: Any) -> int:
    """Run one command; returns the exit status. `overrides` are fields of Settings that have no option."""
    _occupy_standard_files()
    options = parser().parse_args(arguments)
    with _quiet_libraries():
        return _run(options, overrides)


def _occupy_standard_files() -> None:
    """A closed stdin, stdout or stderr would give its number to the next file opened, and prints would land in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep the log lines and warnings of libraries off stderr.

    Not by `logging.disable`: the store reads from Milvus Lite's log why it did not open.
    """
    root, nowhere = logging.getLogger(), logging.NullHandler()
    root.addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(nowhere)


def _run(options: argparse.Namespace, overrides: dict[str, Any]) -> int:
    stdout = sys.stdout
    try:
        settings = settings_module.from_environment(
            data=options.data,
            artifacts=options.artifacts,
            weights=getattr(options, "weights", None),
            seed=getattr(options, "seed", None),
            milvus_uri=getattr(options, "milvus_uri", None),
            **overrides,
        )
        # Libraries that print to stdout would spoil the one JSON document.
        with contextlib.redirect_stdout(sys.stderr):
            document = options.run(settings, options)
        text = documents.text(document) if options.json else options.show(document)
    except PetalscopeError as error:
        return _failed(str(error))
    except KeyboardInterrupt as interrupt:
        # An interrupt that passed through a library's `exec` makes Python end by the signal, whatever status we return,
        # unless some later `exec` ends well (CPython, pythonrun.c: run_eval_code_obj).
        exec("")  # noqa: S102
        return _failed(str(interrupt) or "Interrupted; run the same command again to go on.")
    except MemoryError:
        return _failed("There is not enough memory; close other programs or use --limit.")
    except ImportError as error:
        return _failed(f"A library is missing or broken ({error}); run `pip install -r requirements.lock`.")
    except OSError as error:
        return _failed(
            f"The operating system refused: {error.strerror or error} ({error.filename or 'no file named'})."
        )
    # Of several processes that train together, one answers.
    return _say(text, stdout) if document is not None else 0


def _say(text: str, stdout: TextIO | None) -> int:
    if stdout is None:
        return _failed("Standard output is closed, so the answer has nowhere to go.")
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter still gets the rest
    try:
        print(text, file=stdout, flush=True)
    except OSError as error:
        # Nothing more may be written there, also not by Python when it ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has seen enough (`| head`)
            return 0
        return _failed(f"The answer could not be written: {error.strerror}.")
    return 0


def _failed(sentence: str) -> int:
    print(f"petalscope: {_plain(sentence)}", file=sys.stderr, flush=True)
    return 1


def _plain(text: str) -> str:
    """`text` as one line without anything that a terminal would obey: file names may hold line breaks and worse."""
    return "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))
