"""Errors are whole sentences on every surface, and each surface words the remedies for itself."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace

import pytest

from lib import errors
from lib.errors import COMMAND_LINE, ArtifactError, DataError, Notice, PetalscopeError, Remedy, StoreLockedError
from lib.settings import PROJECT
from lib.view import page_frame, remedies
from lib.view.training import embeddings

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PetalscopeError)]


def test_an_error_without_a_remedy_is_its_problem() -> None:
    error = DataError("There are no photos.")
    assert str(error) == error.sentence(remedies.PAGE) == error.problem == "There are no photos."


@pytest.mark.parametrize("remedy", Remedy)
def test_every_remedy_is_a_sentence_on_every_surface(remedy: Remedy) -> None:
    error = ArtifactError("It is missing", remedy=remedy, command="python -m lib prepare --data '{a}'")
    for text in (str(error), remedies.sentence(error)):
        assert text.startswith("It is missing; ") and text.endswith(".") and "{command}" not in text
    assert ("--data '{a}'" in str(error)) == ("{command}" in COMMAND_LINE[remedy])


@pytest.mark.parametrize("remedy", Remedy)
def test_the_command_line_names_no_page_and_a_page_names_no_option(remedy: Remedy) -> None:
    assert not any(word in COMMAND_LINE[remedy] for word in ("page", "button", "press"))
    assert " --" not in remedies.PAGE.get(remedy, COMMAND_LINE[remedy])


def test_pages_and_buttons_are_named_as_they_are_in_the_app() -> None:
    pages = {label for _, label, _ in page_frame.PAGES}
    named = {name for clause in remedies.PAGE.values() for name in re.findall(r"on the ([A-Z][\w ]*) page", clause)}
    assert named and named <= pages
    assert f"press {embeddings.CREATE} on" in remedies.PAGE[Remedy.EMBED]
    assert page_frame.PREPARE.startswith("Prepare") and "press Prepare on" in remedies.PAGE[Remedy.PREPARE]


@pytest.mark.parametrize("remedy", Remedy)
def test_every_remedy_is_carried_by_some_code(remedy: Remedy) -> None:
    sources = [path for path in (PROJECT / "lib").rglob("*.py") if path.name not in {"errors.py", "remedies.py"}]
    # A choice of readings is the remedy of an error class of its own.
    sign = "AmbiguousDataError(" if remedy is Remedy.CHOOSE_READING else f"Remedy.{remedy.name}"
    assert any(sign in path.read_text(encoding="utf-8") for path in sources)


@pytest.mark.parametrize("remedy", Remedy)
def test_the_line_of_a_command_is_reworded_for_a_page(remedy: Remedy) -> None:
    error = DataError("It; is full", remedy=remedy)
    fixed = "{command}" not in COMMAND_LINE[remedy]
    assert remedies.reworded(str(error)) == (remedies.sentence(error) if fixed else str(error))
    assert remedies.reworded("It is full.") == "It is full."


def test_a_notice_reads_like_an_error() -> None:
    error = ArtifactError("It is missing", remedy=Remedy.PREPARE, command="python -m lib prepare --seed 1")
    assert error.notice == Notice("It is missing", Remedy.PREPARE, "python -m lib prepare --seed 1")
    assert str(error.notice) == str(error)
    assert remedies.sentence(error.notice) == remedies.sentence(error)
    assert f"{error.problem}; {error.notice.way_out(remedies.PAGE)}." == remedies.sentence(error)
    assert Notice("All is well.").way_out() == ""
    assert str(replace(error.notice, outcome="Drawing instead.")) == f"{error} Drawing instead."


def test_a_remedy_that_a_surface_does_not_word_is_that_of_the_command_line() -> None:
    error = DataError("It is full", remedy=Remedy.FREE_SPACE)
    assert error.sentence({}) == str(error)


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_pass_between_processes(kind: type[PetalscopeError]) -> None:
    error = kind("It is missing", remedy=Remedy.PREPARE, command="python -m lib prepare --seed 1")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind and str(copy) == str(error)
    assert remedies.sentence(copy) == remedies.sentence(error)


def test_the_drawn_hierarchy_is_the_real_one() -> None:
    drawn = (errors.__doc__ or "").partition("\n\nPetalscopeError\n")[2].splitlines()
    depths = {line.lstrip("│├└─ ").split()[0]: line.index(line.lstrip("│├└─ ")[0]) // 4 for line in drawn if line}
    assert depths == {kind.__name__: len(kind.__mro__) - len(PetalscopeError.__mro__) for kind in CLASSES[1:]}
    assert depths[StoreLockedError.__name__] == 2
    assert all((kind.__doc__ or "").partition("\n")[0].endswith(".") for kind in CLASSES)
