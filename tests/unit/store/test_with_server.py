"""tests/with_server.sh: where a Milvus server cannot be had, `make test-server` says why and does not fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.settings import PROJECT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no shell script without a shell")
NO, YES = "#!/bin/sh\nexit 1\n", "#!/bin/sh\nexit 0\n"
LINUX = "#!/bin/sh\necho Linux x86_64\n"
# Makes an environment whose Python can do nothing.
EMPTY = '#!/bin/sh\nmkdir -p "$3/bin" && printf "#!/bin/sh\\nexit 1\\n" > "$3/bin/python" && chmod +x "$3/bin/python"\n'


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        ({"uname": "#!/bin/sh\necho Darwin arm64\n"}, "for Linux on x86-64 only; this is Darwin arm64"),
        ({"uname": LINUX}, "no command unshare"),
        ({"uname": LINUX, "unshare": YES}, "no command ip "),
        ({"uname": LINUX, "unshare": NO, "ip": YES}, "allows no network namespaces"),
        ({"uname": LINUX, "unshare": YES, "ip": YES, "python3": NO}, "python3 makes no environments here"),
        ({"uname": LINUX, "unshare": YES, "ip": YES, "python3": EMPTY}, "milvus 2.3.5 could not be installed"),
    ],
)
def test_it_says_why_nothing_was_tested(tmp_path: Path, commands: dict[str, str], why: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "mkdir", "chmod", "touch"):
        (tools / name).symlink_to(shutil.which(name) or "/bin/sh")
    for name, text in commands.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    done = subprocess.run(
        [PROJECT / "tests" / "with_server.sh", "python3", "touch", "ran"],
        cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("SKIPPED, nothing was tested against a Milvus server: ")
    assert why in done.stderr
    assert not (tmp_path / "ran").exists()


def test_where_it_can_the_command_runs_inside(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "touch"):
        (tools / name).symlink_to(shutil.which(name) or "/bin/sh")
    passing = '#!/bin/sh\n[ "$1" = -rn ] && shift\nexec "$@"\n'
    for name, text in {"uname": LINUX, "unshare": passing, "ip": YES}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (tmp_path / ".venv-server").mkdir()
    (tmp_path / ".venv-server" / ".installed").touch()
    command = [PROJECT / "tests" / "with_server.sh", "python3", "sh", "-c", 'echo "$TEST_MILVUS_PYTHON $0"', "a b"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == f"{tmp_path}/.venv-server/bin/python a b\n"
