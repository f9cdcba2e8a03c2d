"""What all torture tests have: how much is asked for, a watch over hangs, and a count of whatever was lost."""

from __future__ import annotations

import faulthandler
import logging
from collections.abc import Iterator

import pytest

from tests.torture import tally
from tests.torture.tally import Scale

# No test takes this long unless something hangs; then the process ends with all stacks on stderr.
HANGS_AFTER_S = {"": 300, "full": 1800, "long": 7200}


@pytest.fixture(scope="session")
def scale() -> Scale:
    """How much is asked for."""
    return tally.scale()


@pytest.fixture(autouse=True)
def _nothing_hangs(scale: Scale) -> Iterator[None]:
    faulthandler.dump_traceback_later(HANGS_AFTER_S[scale.name], exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def _no_words_about_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit logs to the stderr of an earlier test, which pytest has closed; that is no traceback of ours."""
    monkeypatch.setattr(logging, "raiseExceptions", False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.failed:
        tally.note("lost", what=f"{item.nodeid} ({call.when})")
    return report
