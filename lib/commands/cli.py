"""The command line, `python -m lib COMMAND`: runs a command, prints its document, and turns errors into one line.

With `--json` exactly one JSON document goes to stdout. Everything else (progress, warnings, errors) goes to stderr.
Exit status: 0 for success, 1 for an error, 2 for a command line that does not parse.
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
from lib.commands import interrupts
from lib.commands.network_options import weights_choice
from lib.commands.options import layout_choice, parser
from lib.errors import PetalscopeError
from lib.text import one_line


def main(arguments: Sequence[str] | None = None, **overrides: Any) -> int:
    """Run a command and return the exit status. `overrides` are fields of Settings without an option."""
    _occupy_standard_files()
    with interrupts.heeded():
        options = parser().parse_args(arguments)
        with _quiet_libraries():
            return _run(options, overrides)


def _occupy_standard_files() -> None:
    """Open os.devnull for a closed stdin, stdout or stderr, since the next file would get its number and its prints."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep the log lines and warnings of libraries off stderr.

    `logging.disable` would go too far: the store reads from Milvus Lite's log why a database does not open.
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
    with interrupts.heeded():
        try:
            weights, network_weights = weights_choice(options)
            settings = settings_module.from_environment(
                data=options.data,
                artifacts=options.artifacts,
                weights=weights,
                network_weights=network_weights,
                seed=getattr(options, "seed", None),
                milvus_uri=getattr(options, "milvus_uri", None),
                layout=layout_choice(options),
                **overrides,
            )
            # Libraries that print to stdout would spoil the one JSON document.
            with contextlib.redirect_stdout(sys.stderr):
                document = options.run(settings, options)
            text = documents.json_text(document) if options.json else options.show(document)
        except (Exception, KeyboardInterrupt) as error:
            sentence = _sentence(error)
            if sentence is None:
                raise
            return _failed(sentence)
        # Of several processes that work together, only the leading one has a document.
        return _print(text, stdout) if document is not None else 0


def _sentence(error: BaseException) -> str | None:
    """The line for an error; None for one that is a fault of ours, which shows its traceback."""
    sentence = None
    # An interrupted import raises anything: ImportError, SystemError, AttributeError of a module that is half there.
    if isinstance(error, KeyboardInterrupt) or interrupts.was_received():
        interrupts.ignore_more()
        # An interrupt that passed through a library's `exec` makes Python end by the signal, whatever status we return,
        # unless some later `exec` ends well (CPython, pythonrun.c: run_eval_code_obj).
        exec("")  # noqa: S102
        sentence = (isinstance(error, KeyboardInterrupt) and str(error)) or interrupts.SENTENCE
    elif isinstance(error, PetalscopeError):
        sentence = str(error)
    elif isinstance(error, MemoryError):
        sentence = "There is not enough memory; close other programs or use --limit."
    elif isinstance(error, ImportError):
        sentence = f"A library is missing or broken ({error}); run `pip install -r requirements.lock`."
    elif isinstance(error, OSError):
        sentence = f"The operating system refused: {error.strerror or error} ({error.filename or 'no file named'})."
    return sentence


def _print(text: str, stdout: TextIO | None) -> int:
    if stdout is None:
        return _failed("Standard output is closed, so the result cannot be printed.")
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # a terminal without a character still shows the rest
    try:
        print(text, file=stdout, flush=True)
    except OSError as error:
        # Python flushes stdout once more when it exits, which must not fail again.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has closed the pipe (`| head`)
            return 0
        return _failed(f"The result could not be written: {error.strerror}.")
    return 0


def _failed(sentence: str) -> int:
    print(f"petalscope: {one_line(sentence)}", file=sys.stderr, flush=True)
    return 1
