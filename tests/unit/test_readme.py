"""The README and the pages in docs tell the truth about commands, targets, files, links, words and variables."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lib.commands import options
from lib.learn import results, runs
from lib.learn.normalise_record import normalise
from lib.settings import PROJECT, Settings

DOCS = PROJECT / "docs"
PAGES = sorted(
    [
        *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *DOCS.rglob("*.md"),
        *(PROJECT / "benchmarks").glob("*.md"),
    ]
)
TEXTS = {page.relative_to(PROJECT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
README, COMMAND_PAGE = TEXTS["README.md"], TEXTS["docs/commands.md"]
SPANS = re.compile(r"`([^`\n]+)`")
# A command line is indented, or stands between backticks; one with `COMMAND` is a pattern for the reader.
LINE = re.compile(r"(?:\S*python|torchrun(?: --[a-z-]+ \d+)*) -m lib ([^#\n]+)")


def code(text: str) -> list[str]:
    """What a page sets as code: indented lines, and what stands between backticks (also across a line's end)."""
    indented = re.findall(r"^ {4,}(.+)$", text, re.M)
    return [*indented, *(" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))]


def command_lines(text: str) -> set[str]:
    result = {result.strip() for piece in code(text) for result in LINE.findall(piece)}
    return {line for line in result if "COMMAND" not in line}


COMMANDS = sorted(set().union(*map(command_lines, TEXTS.values())))


def blocks(text: str) -> dict[str, str]:
    """The printed output below each indented line `$ python -m lib …`, by that command line."""
    collected = {}
    lines = text.splitlines()
    for start, line in enumerate(lines):
        if not line.startswith("    $ python -m lib "):
            continue
        end = start + 1
        while end < len(lines) and (lines[end].startswith("    ") or not lines[end]):
            end += 1
        collected[line.removeprefix("    $ python -m lib ")] = "\n".join(
            each[4:] for each in lines[start + 1 : end]
        ).strip()
    return collected


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# -- commands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line: str) -> None:
    words = shlex.split(line)
    if "--help" in words:
        with pytest.raises(SystemExit) as left:
            options.parser().parse_args(words)
        assert left.value.code == 0
    else:
        assert callable(options.parser().parse_args(words).run)


def test_every_command_is_documented() -> None:
    parser = options.parser()
    names = set(next(action.choices for action in parser._actions if action.choices))
    assert {line.split()[0] for line in command_lines(COMMAND_PAGE)} - {"--help"} == names
    assert set(SPANS.findall(README)) >= names


# Those that need no photos.
@pytest.mark.parametrize("line", ["--help", "runs"])
def test_what_is_printed_below_a_command_is_its_output(line: str, tmp_path: Path) -> None:
    environment = {**os.environ, "COLUMNS": "110", "PETALSCOPE_ARTIFACTS": str(tmp_path)}
    command = [sys.executable, "-m", "lib", *line.split()]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    printed = "\n".join(each.rstrip() for each in done.stdout.strip().splitlines())
    assert blocks(COMMAND_PAGE)[line] == printed, "paste the new output into docs/commands.md"


def test_the_readme_prints_what_the_reference_prints() -> None:
    printed = blocks(README)
    assert printed
    for line, output in printed.items():
        assert blocks(COMMAND_PAGE)[line] == output, line


MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
TARGET = re.compile(r"^make (?:\w+=\S+ )?([a-z][a-z-]*)")
TARGETS = sorted({name for text in TEXTS.values() for piece in code(text) for name in TARGET.findall(piece)})


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.M)


def test_every_make_target_is_documented() -> None:
    # Steps that other targets take.
    inner = {"install", "install-tests", "chromium", "prepare"}
    phony = {name for line in re.findall(r"^\.PHONY:(.+)$", MAKEFILE, re.M) for name in line.split()}
    assert phony - inner - set(TARGETS) == set()


# -- files and links ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", TEXTS)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if re.match(r"[a-z]+://", target):
            continue
        name, _, anchor = target.partition("#")
        path = (PROJECT / page).parent / name if name else PROJECT / page
        assert path.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page}: {target}"


def named_paths(text: str) -> set[str]:
    """The files, folders and modules of this repository that a page names as code."""
    spans = [re.sub(r"^python -m ", "", span.strip()) for span in SPANS.findall(text)]
    files = {
        span.partition("::")[0] for span in spans if re.fullmatch(r"(lib|tests|docs|benchmarks|pages)/[\w./-]*", span)
    }
    modules = {span for span in spans if re.fullmatch(r"(lib|tests|benchmarks)(\.[a-z_0-9]+)+", span)}
    return files | {module.replace(".", "/") for module in modules}


def is_there(path: str) -> bool:
    """Whether a file, a folder or a module of this name exists; the last part of a module may be a name in it."""
    whole = PROJECT / path
    return whole.exists() or whole.with_suffix(".py").exists()


@pytest.mark.parametrize("page", TEXTS)
def test_every_path_that_it_names_is_there(page: str) -> None:
    missing = sorted(path for path in named_paths(TEXTS[page]) if not is_there(path))
    assert not missing, f"{page} names what is not there: {', '.join(missing)}"


@pytest.mark.parametrize("page", TEXTS)
def test_every_script_that_streamlit_runs_is_there(page: str) -> None:
    missing = [name for name in re.findall(r"streamlit run (\S+\.py)", TEXTS[page]) if not (PROJECT / name).is_file()]
    assert not missing, f"{page}: streamlit cannot run {', '.join(missing)}"


def test_paths_are_found_in_the_text() -> None:
    named = named_paths("see `lib/a/b.py`, `lib.c.d`, `python -m benchmarks.scores`, `lib/e/` and (`make run`)")
    assert named == {"lib/a/b.py", "lib/c/d", "benchmarks/scores", "lib/e/"}
    assert sum(len(named_paths(text)) for text in TEXTS.values()) > 100


def test_the_layout_names_every_folder_of_modules() -> None:
    architecture = TEXTS["docs/architecture.md"]
    for folder in (PROJECT / "lib").rglob("__init__.py"):
        name = folder.parent.name
        assert folder.parent == PROJECT / "lib" or re.search(rf"\b{name}/", architecture), name


def test_a_page_of_documentation_is_reachable_from_the_readme() -> None:
    seen, waiting = set(), [PROJECT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        waiting += [page.parent / link for link in links if "://" not in link]
    assert {page.resolve() for page in PAGES} - seen == set()


# -- words, figures, variables --------------------------------------------------------------------------------------


def test_every_variable_is_read_and_every_one_that_is_read_is_documented() -> None:
    settings = (PROJECT / "lib" / "settings.py").read_text(encoding="utf-8")
    variables = re.compile(r"\b(?:PETALSCOPE|MILVUS)_[A-Z]+\b")
    for page, text in TEXTS.items():
        assert set(variables.findall(text)) <= set(variables.findall(settings)), page
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXTS["docs/operations.md"], re.M))
    assert listed == set(variables.findall(settings))


def test_the_readme_is_one_page() -> None:
    assert len(README.splitlines()) <= 160


def test_each_word_of_the_glossary_has_one_place_and_a_definition() -> None:
    entries = re.split(r"^### ", TEXTS["docs/glossary.md"], flags=re.M)[1:]
    words = [entry.partition("\n")[0] for entry in entries]
    assert len(words) == len({word.casefold() for word in words}) > 50
    for entry in entries:
        body = re.split(r"^#", entry.partition("\n")[2], maxsplit=1, flags=re.M)[0].strip()
        assert body.endswith((".", ")")), entry.partition("\n")[0]


def test_each_decision_is_listed_and_says_what_lost() -> None:
    index = TEXTS["docs/decisions/README.md"]
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [record.name[:3] for record in records] == [f"{number:03}" for number in range(1, len(records) + 1)]
    for record in records:
        text = record.read_text(encoding="utf-8")
        title = text.splitlines()[0].partition(": ")[2]
        assert f"| {record.name[:3]} | [{title}]({record.name}) |" in index
        for part in ("**Context.**", "**Decision.**", "**What lost", "**How it was measured.**"):
            assert part in text, f"{record.name}: {part}"


def test_the_hooks_run_the_linter_that_the_tests_run() -> None:
    pinned = re.search(r"^ruff==(.+)$", (PROJECT / "tests" / "requirements.txt").read_text(encoding="utf-8"), re.M)
    assert pinned
    assert f"rev: v{pinned[1]}\n" in (PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8")


def results_table() -> str:
    """The table of results, as the recorded runs have it: what to paste into docs/training.md when they change."""
    lines = [
        "| | test accuracy: mean (least to most) | 95 % interval of one run | seeds | one run took | published |",
        "|---|---|---|---|---|---|",
    ]
    for row in results.table(map(normalise, runs.load(Settings(artifacts=PROJECT / "nowhere")))):
        accuracy, published = (
            f"{100 * row[name]:.{places}f} %" for name, places in (("accuracy", 1), ("published", 2))
        )
        least, most, low, high = (
            f"{100 * bound:.1f}" for bound in (*(row["band"] or row["accuracies"] * 2), *row["ci95"])
        )
        seeds, minutes = ", ".join(map(str, row["seeds"])), f"{row['cpu_seconds'] / 60:.0f} min"
        cells = (row["title"], f"**{accuracy}** ({least} to {most})", f"{low} to {high}", seeds, minutes, published)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_table_of_results_is_that_of_the_records() -> None:
    assert results_table() in TEXTS["docs/training.md"]
