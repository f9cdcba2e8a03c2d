"""lib.embed.distributed: two processes on this machine embed one catalog, and the result is that of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.data import audit_file
from lib.data import catalog as catalogs
from lib.data.datasets import Dataset
from lib.embed import distributed, extract, spaces
from lib.measure import first_results
from lib.prepare import pipeline, workspace
from lib.settings import PROJECT, Settings

pytestmark = pytest.mark.slow

# A photo of the second process' share goes and comes back between two tries.
TWO_TRIES = """
import sys
from pathlib import Path
from lib.data import catalog as catalogs
from lib.embed import distributed as shared, extract, spaces
from lib.errors import PetalscopeError
from lib.learn import distributed
root, target = (Path(word) for word in sys.argv[1:])
with shared.group(True, extract.parts) as leads:
    if leads:
        catalog = catalogs.build("photos", root, seed=0)
        path = catalog.path(catalog.ids[extract.BATCH])
        path.rename(root / "aside")
        try:
            extract.extract(spaces.get("pixels"), catalog, None, target)
        except PetalscopeError as error:
            print(type(error).__name__, error)
        print(target.exists())
        (root / "aside").rename(path)
        extract.extract(spaces.get("pixels"), catalog, None, target)
distributed.leave(0)
"""


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PETALSCOPE_OFFLINE": "1", "PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        [*launcher, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_shares_are_all_batches_once() -> None:
    for count in range(7):
        task = distributed.Task(spaces.get("pixels"), None, None, [[row] for row in range(count)])  # type: ignore[arg-type]
        for size in (1, 2, 3):
            shares = [task.share(rank, size) for rank in range(size)]
            assert sorted(row for share in shares for batch in share for row in batch) == list(range(count))
            assert task.rounds(size) == max(len(share) for share in shares) == len(shares[0])


def test_alone_there_is_nobody_to_wait_for() -> None:
    with distributed.group(False, extract.parts) as leads:
        assert leads


def test_two_processes_make_what_one_makes(pictures: Path, quick_weights: str, tmp_path: Path) -> None:
    words = ["--data", str(pictures), "--artifacts", str(tmp_path / "two"), "--weights", quick_weights]
    done = torchrun("-m", "lib", "embed", "--json", "--spaces", "pixels,resnet18", *words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    printed = json.loads(done.stdout)  # one document, of one process
    alone = Settings(data=pictures, artifacts=tmp_path / "one", weights=quick_weights, offline=True)
    expected = pipeline.embed(alone, names=["pixels", "resnet18"])
    for one, two in zip(expected["spaces"], printed["spaces"], strict=True):
        assert one | {"seconds": 0} == two | {"seconds": 0}
    folder = workspace.folder_of(alone, Dataset(name=pictures.name, root=pictures)).relative_to(alone.artifacts)
    folders = sorted((tmp_path / "one" / folder / "spaces").iterdir())
    assert len(folders) == 2
    for path in folders:
        one, two = extract.load(path), extract.load(tmp_path / "two" / folder / "spaces" / path.name)
        assert one is not None
        assert two is not None
        assert one.meta == two.meta
        np.testing.assert_array_equal(one.pictures, two.pictures)
        np.testing.assert_allclose(one.values, two.values, rtol=1e-5, atol=1e-6)
        assert np.ptp(np.asarray(two.values, np.float64), axis=1).min() > 0  # every row was written


def test_two_processes_prepare_what_one_does(prepared: Settings, tmp_path: Path) -> None:
    words = ["--data", str(prepared.data), "--artifacts", str(tmp_path / "two"), "--weights", "bundled"]
    done = torchrun("-m", "lib", "prepare", "--json", *words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    printed = json.loads(done.stdout)  # one document, of one process
    again = pipeline.prepare(replace(prepared, artifacts=tmp_path / "two"))  # one process takes it up
    assert all(space["cached"] for space in again["spaces"])
    assert again["milvus"]["collections"] == printed["milvus"]["collections"]
    one, two = prepared.artifacts / "sets", tmp_path / "two" / "sets"
    files = sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert {".npy", ".npz", ".parquet"} <= {path.suffix for path in files}
    measured = {
        *pipeline.OF_VECTORS,
        audit_file.FOLDER,
        first_results.LOCK,
    }  # by the command only
    for path in files:
        if path.parts[1] in measured:
            continue
        assert (one / path).is_file()
        # The state names the times, and a network's last bits may depend on the threads that each process has.
        if path.parts[1] in {"neighbours", "maps"}:
            with np.load(one / path) as of_one, np.load(two / path) as of_two:
                assert of_one.files == of_two.files
                for name in set(of_one.files) - {"facts"}:
                    assert of_one[name].shape == of_two[name].shape
                    if path.name.startswith("pixels-"):
                        np.testing.assert_array_equal(of_one[name], of_two[name], err_msg=f"{path} {name}")


def test_what_goes_wrong_in_the_first_process_ends_all_with_one_sentence(tmp_path: Path) -> None:
    words = ["--data", str(tmp_path / "nowhere"), "--artifacts", str(tmp_path / "made")]
    done = torchrun("-m", "lib", "prepare", "--json", *words)
    assert done.returncode == 1
    assert done.stdout == ""
    printed = [line for line in done.stderr.splitlines() if line.startswith("petalscope: ")]
    assert len(printed) == 1
    assert printed[0].startswith(f"petalscope: The data folder {tmp_path / 'nowhere'} does not exist")


def test_what_goes_wrong_in_a_helper_ends_it_for_all(pictures: Path, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for path in pictures.rglob("*.*"):
        (root / path.parent.name).mkdir(parents=True, exist_ok=True)
        (root / path.parent.name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tries.py").write_text(TWO_TRIES, encoding="utf-8")
    done = torchrun(str(tmp_path / "tries.py"), str(root), str(tmp_path / "made"))
    assert done.returncode == 0, done.stderr
    first, exists = done.stdout.splitlines()
    assert first.startswith("DataError ")
    assert "now, but not a moment ago; run the command again." in first
    assert exists == "False"
    loaded = extract.load(tmp_path / "made")
    assert loaded is not None
    assert loaded.belong_to(catalogs.build("photos", root, seed=0))
    extract.extract(spaces.get("pixels"), catalogs.build("photos", root, seed=0), None, tmp_path / "alone")
    np.testing.assert_array_equal(loaded.values, np.load(tmp_path / "alone" / "vectors.npy"))


def test_the_settings_know_who_started_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from lib import settings

    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert not settings.from_environment().launched
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert settings.from_environment().launched


@pytest.mark.parametrize("launched", [True, False])
def test_who_leaves_has_said_everything_and_closed_what_was_open(launched: bool) -> None:
    script = (
        "import atexit, sys, torch.distributed\nfrom lib.learn import distributed\n"
        "atexit.register(lambda: print('closed', end=''))\nprint('said', end=' ')\ndistributed.leave(3)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TORCHELASTIC_RUN_ID"}
    if launched:
        environment["TORCHELASTIC_RUN_ID"] = "1"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (3, "said closed"), ended.stderr
