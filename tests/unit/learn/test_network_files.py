"""Foreign networks: programs of torch.export and ONNX files, and what is refused of them."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lib.embed import network_spaces
from lib.embed.embedder import embedder, query_vector
from lib.errors import QueryError, WeightsError
from lib.learn import exported_program, network_choice, network_files
from tests.helpers.image_files import scene

SIDE = 24


class Net(torch.nn.Module):
    """A convolution; its maps, or their averages."""

    def __init__(self, is_pooled: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 5, 5, stride=4)
        self.is_pooled = is_pooled

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        maps = self.conv(photos).relu()
        return maps.mean((2, 3)) if self.is_pooled else maps


def exported(path: Path, network: torch.nn.Module, batch: int | None = None, side: int = SIDE) -> Path:
    """`network` as a program for one size of batch, or for any."""
    dynamic = None if batch else ({0: torch.export.Dim("b", min=1, max=64)},)
    program = torch.export.export(network.eval(), (torch.rand(batch or 2, 3, side, side),), dynamic_shapes=dynamic)
    torch.export.save(program, path)
    return path


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("maps") / "Own net.v2.pt2", Net())


@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize("is_pooled", [True, False])
def test_a_program_gives_the_features_of_its_network(batch: int | None, is_pooled: bool, tmp_path: Path) -> None:
    network = Net(is_pooled)
    path = exported(tmp_path / "n.pt2", network, batch)
    loaded = network_files.load(path)
    assert (loaded.batch, loaded.height, loaded.width) == (batch, SIDE, SIDE)
    photos = np.random.default_rng(0).normal(size=(7, 3, SIDE, SIDE)).astype(np.float32)
    found = network_files.pooled(network_files.whole_batches(loaded, photos, path))
    with torch.inference_mode():
        expected = Net(True).eval()(torch.from_numpy(photos)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert network_files.outputs(loaded, path, SIDE, "NCHW") == 5


def test_a_space_of_a_file_embeds_photos_and_has_maps(maps: Path) -> None:
    space = network_spaces.from_file(maps, None, None)
    assert (space.name, space.group) == ("own_net_v2", "backbone")
    assert space.own is not None
    weights = network_choice.of_file(space.own)
    assert space.dim_of is not None
    assert space.dim_of(weights) == 5
    embed = embedder(space, weights)
    assert embed.maps is not None
    picture = scene(0, 40, 30)
    vector = query_vector(embed, picture)
    np.testing.assert_allclose(embed.maps([embed.shrink(picture)])[0].mean((1, 2)), vector, rtol=1e-4, atol=1e-6)
    # As the state file defines it, after which queries are embedded alike.
    definition = json.loads(json.dumps({**(space.definition or {}), "dim": 5}))
    again = network_spaces._file_defined(space.name, definition, maps.parent)
    np.testing.assert_array_equal(query_vector(embedder(again, weights), picture), vector)
    assert network_choice.from_record(weights.record()) == weights


# --- What is refused -------------------------------------------------------------------------------------------------


class Evil:
    """Unpickling one runs a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def in_model(change: Callable[[dict[str, Any]], object]) -> Callable[[str, bytes], bytes]:
    def changed(name: str, data: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return data
        model = json.loads(data)
        change(model)
        return json.dumps(model).encode()

    return changed


def test_pickles_in_a_program_are_refused_and_do_not_run(maps: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    def samples(name: str, data: bytes) -> bytes:
        if "sample_inputs" not in name:
            return data
        buffer = io.BytesIO()
        torch.save(Evil(marker), buffer)
        return buffer.getvalue()

    def weights(name: str, data: bytes) -> bytes:
        if not name.endswith("weights_config.json"):
            return pickle.dumps(Evil(marker)) if name.endswith("weight_0") else data
        config = json.loads(data)
        for entry in config["config"].values():
            entry["use_pickle"] = True
        return json.dumps(config).encode()

    for change in (samples, weights):
        with pytest.raises(WeightsError, match="pickled Python objects, and reading those could run code"):
            network_files.load(rewritten(maps, tmp_path / f"{change.__name__}.pt2", change))
    assert not marker.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model["graph_module"]["graph"]["nodes"][0].update(target="torch.os.system"),
        lambda model: model["graph_module"]["graph"]["nodes"][0].update(target="torch.ops.aten.from_file.default"),
        lambda model: model["graph_module"]["graph"]["nodes"][0].update(target="_operator.methodcaller"),
        lambda model: model.update(more={"expr_str": "__import__('os').system('true')"}),
        lambda model: model.update(more={"expr_str": "Symbol('s0').__class__"}),
        lambda model: model.update(more={"in_spec": '{"__enum__": true}'}),
    ],
)
def test_calls_and_expressions_that_are_not_a_networks_are_refused(change: Any, maps: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="reading those could run code"):
        network_files.load(rewritten(maps, tmp_path / "n.pt2", in_model(change)))


def test_guards_are_not_compiled(maps: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    guard = f"__import__('pathlib').Path({str(marker)!r}).touch() is None"
    path = rewritten(maps, tmp_path / "n.pt2", in_model(lambda model: model.update(guards_code=[guard])))
    assert network_files.outputs(network_files.load(path), path, SIDE, "NCHW") == 5
    assert not marker.exists()


def test_sizes_are_told_from_code() -> None:
    for size in ("s0", "Symbol('s31', positive=True, integer=True)", "Add(Mul(Integer(-1), Symbol('u2')), Integer(8))"):
        assert exported_program._is_size(size)
    for code in ("eval('1')", "s0.__class__", "lambdify(s0)", "Symbol('__import__')", "[s0]", "Eq('os.system', 1)"):
        assert not exported_program._is_size(code)


def refusal(path: Path, card: Path | None = None) -> str:
    with pytest.raises(WeightsError) as caught:
        network_spaces.from_file(path, None, card)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_no_networks_are_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "gone.pt2")
    (tmp_path / "text.pt2").write_text("hello")
    assert "damaged or not a program of torch.export" in refusal(tmp_path / "text.pt2")
    (tmp_path / "n.pth").write_text("hello")
    assert "a .pt2 or an .onnx file is needed" in refusal(tmp_path / "n.pth")
    with zipfile.ZipFile(tmp_path / "other.pt2", "w") as archive:
        archive.writestr("a.txt", "b")
    assert "is not a program of torch.export" in refusal(tmp_path / "other.pt2")


def test_outputs_that_are_no_features_are_refused(tmp_path: Path) -> None:
    class Flat(Net):
        def forward(self, photos: torch.Tensor) -> torch.Tensor:
            return super().forward(photos).sum((1, 2, 3))

    assert "where vectors (n, d) or maps" in refusal(exported(tmp_path / "flat.pt2", Flat()))

    class Grey(torch.nn.Module):
        def forward(self, photos: torch.Tensor) -> torch.Tensor:
            return photos.mean(1)

    program = torch.export.export(Grey(), (torch.rand(2, 1, SIDE, SIDE),))
    torch.export.save(program, tmp_path / "grey.pt2")
    assert "where one array of photos (n, 3, height, width) is needed" in refusal(tmp_path / "grey.pt2")


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"resize": 32, "crop": 32, "mean": [0, 0, 0], "std": [1, 1, 1]}, "takes photos of 24 × 24 px"),
        ({"resize": 24, "crop": 24, "mean": [0, 0], "std": [1, 1, 1]}, "no valid preprocessing"),
        ({"resize": 24, "crop": 24, "mean": [0, 0, 0], "std": [1, 1, 0]}, "no valid preprocessing"),
        ({"resize": 24, "crop": 24, "mean": [0, 0, 0], "std": [1, 1, 1], "layout": "CHWN"}, "must be NCHW or NHWC"),
        ({"resize": 24, "crop": 24, "mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "x"}, "bilinear or bicubic"),
        ({"resize": 24, "crop": 24, "mean": [0, 0, 0], "std": [1, 1, 1], "scale": 255}, "has 'scale'"),
    ],
)
def test_preprocessing_that_does_not_fit_is_refused(card: Any, said: str, maps: Path, tmp_path: Path) -> None:
    file = tmp_path / "card.json"
    file.write_text(json.dumps(card))
    assert said in refusal(maps, file)


def test_a_name_that_another_network_has_is_refused(maps: Path) -> None:
    for name in ("resnet18", "vgg16", "Own", "a.b", "init", "x" * 41):
        with pytest.raises(QueryError) as caught:
            network_spaces.from_file(maps, name, None)
        assert str(caught.value) == network_spaces.unusable_name(name)


# --- ONNX ------------------------------------------------------------------------------------------------------------


def test_without_its_library_an_onnx_file_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    (tmp_path / "n.onnx").write_bytes(b"\x08\x08")
    assert "`pip install onnxruntime` adds it" in refusal(tmp_path / "n.onnx")


def onnx_file(path: Path, shape: list[Any], axes: tuple[int, int], beside: bool = False) -> Path:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    weights = np.arange(12, dtype=np.float32).reshape(3, 4) / 10
    constant = onnx.numpy_helper.from_array(weights, "w")
    nodes = [
        onnx.helper.make_node("ReduceMean", ["photos"], ["mean"], axes=list(axes), keepdims=0),
        onnx.helper.make_node("MatMul", ["mean", "w"], ["features"]),
    ]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [info("photos", onnx.TensorProto.FLOAT, shape)],
        [info("features", onnx.TensorProto.FLOAT, [shape[0], 4])],
        [constant],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, path, save_as_external_data=beside, location="weights.bin", size_threshold=0)
    return path


@pytest.mark.parametrize("batch", ["n", 2])
@pytest.mark.parametrize("layout", network_files.LAYOUTS)
def test_an_onnx_file_gives_features_in_both_layouts(batch: Any, layout: str, tmp_path: Path) -> None:
    first = layout == "NCHW"
    shape = [batch, 3, 8, 8] if first else [batch, 8, 8, 3]
    path = onnx_file(tmp_path / "n.onnx", shape, (2, 3) if first else (1, 2))
    card = {"resize": 8, "crop": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "layout": layout}
    (tmp_path / "n.json").write_text(json.dumps(card))
    space = network_spaces.from_file(path, "tiny", None)
    assert space.own is not None
    embed = embedder(space, network_choice.of_file(space.own))
    shrunk = [embed.shrink(scene(0, 20, 16)), embed.shrink(scene(0, 16, 20)), embed.shrink(scene(0, 9, 9))]
    means = np.stack([each.reshape(-1, 3).mean(0) / 255 for each in shrunk]).astype(np.float32)
    expected = means @ (np.arange(12, dtype=np.float32).reshape(3, 4) / 10)
    np.testing.assert_allclose(embed.embed(shrunk), expected, rtol=1e-4, atol=1e-5)
    assert embed.maps is None


def test_weights_beside_an_onnx_file_belong_to_its_hash(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "n.onnx", ["n", 3, 8, 8], (2, 3), beside=True)
    before = network_files.file_hash(path)
    beside = tmp_path / "weights.bin"
    beside.write_bytes(beside.read_bytes()[:-1] + b"\x01")
    assert network_files.file_hash(path) != before
    beside.unlink()
    network_files._files_beside.cache_clear()
    assert "which must lie beside it" in refusal(path)
