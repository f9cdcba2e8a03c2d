"""A small server that speaks Milvus' protocol, for what neither Milvus Lite nor a server in reach can be made to say.

Its answers are protobuf messages of the installed pymilvus (`CollectionSchema`, `FieldData`), laid out as
milvus-proto's schema.proto says that a server fills them, and they go over a real gRPC channel: what our code sees is
what pymilvus itself makes of such a message, and no shape of our own invention. It stores nothing.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

VERSION = "v2.5.4"
TOKEN = "root:r3corded-t0ken"
ROWS, DIM = 40, 16
KINDS = {
    "plain": schema_pb2.FloatVector,
    "half": schema_pb2.Float16Vector,
    "brain": schema_pb2.BFloat16Vector,
    "whole": schema_pb2.Int8Vector,
    "bits": schema_pb2.BinaryVector,
}
METRICS = {"plain": "L2", "half": "COSINE", "brain": "L2", "whole": "IP", "bits": "HAMMING"}
BROKEN, ZERO, COPY = 3, 5, 7  # rows of `half` and `brain` that are not as the others: NaN, zeros, equal to row 6


def vectors() -> dict[str, np.ndarray]:
    """What each field holds, as numbers: (ROWS, DIM) float32; `bits` are 0 and 1."""
    rng = np.random.default_rng(0)
    made = {name: rng.normal(size=(ROWS, DIM)).astype(np.float32) for name in ("plain", "half", "brain")}
    made["half"] = made["half"].astype(np.float16).astype(np.float32)
    made["brain"] = _brain(made["brain"]).astype(np.uint32)
    made["brain"] = (made["brain"] << 16).view(np.float32)
    for name in ("half", "brain"):
        made[name][BROKEN, 2], made[name][ZERO], made[name][COPY] = np.nan, 0, made[name][COPY - 1]
    made["whole"] = rng.integers(-128, 128, (ROWS, DIM)).astype(np.float32)
    made["bits"] = rng.integers(0, 2, (ROWS, DIM)).astype(np.float32)
    return made


def _brain(values: np.ndarray) -> np.ndarray:
    """float32 cut to bfloat16: its upper 16 bits."""
    return (np.ascontiguousarray(values, dtype="<f4").view("<u4") >> 16).astype("<u2")


def packed(name: str, rows: np.ndarray) -> bytes:
    """Rows (n, DIM) as the bytes in which Milvus keeps a field of that kind."""
    if name == "bits":
        return np.packbits(rows.astype(np.uint8), axis=1, bitorder="little").tobytes()
    made = {"half": lambda: rows.astype("<f2"), "brain": lambda: _brain(rows), "whole": lambda: rows.astype(np.int8)}
    return bytes(made[name]().tobytes())


def schema() -> schema_pb2.CollectionSchema:
    """A key, a text, and one field of each kind of dense vector."""
    key = schema_pb2.FieldSchema(fieldID=100, name="key", is_primary_key=True, data_type=schema_pb2.Int64)
    text = schema_pb2.FieldSchema(
        fieldID=101, name="label", data_type=schema_pb2.VarChar,
        type_params=[common_pb2.KeyValuePair(key="max_length", value="20")],
    )  # fmt: skip
    fields = [key, text]
    for number, (name, kind) in enumerate(KINDS.items(), start=102):
        dim = common_pb2.KeyValuePair(key="dim", value=str(DIM))
        fields.append(schema_pb2.FieldSchema(fieldID=number, name=name, data_type=kind, type_params=[dim]))
    return schema_pb2.CollectionSchema(name="kinds", fields=fields)


def field(name: str, chosen: Sequence[int]) -> schema_pb2.FieldData:
    """A field of those rows, as it comes in an answer."""
    if name == "key":
        scalars = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=list(chosen)))
        return schema_pb2.FieldData(type=schema_pb2.Int64, field_name=name, field_id=100, scalars=scalars)
    if name == "label":
        words = schema_pb2.StringArray(data=["even" if row % 2 == 0 else "odd" for row in chosen])
        scalars = schema_pb2.ScalarField(string_data=words)
        return schema_pb2.FieldData(type=schema_pb2.VarChar, field_name=name, field_id=101, scalars=scalars)
    rows = vectors()[name][list(chosen)]
    made = schema_pb2.VectorField(dim=DIM)
    if name == "plain":
        made.float_vector.data.extend(rows.ravel().tolist())
    else:
        slot = {"half": "float16_vector", "brain": "bfloat16_vector", "whole": "int8_vector", "bits": "binary_vector"}
        setattr(made, slot[name], packed(name, rows))
    return schema_pb2.FieldData(type=KINDS[name], field_name=name, field_id=102, vectors=made)


class Recorded(milvus_pb2_grpc.MilvusServiceServicer):
    """`slow` names calls that hang until `wake`; `searched` keeps each search's vector type and bytes."""

    def __init__(self, slow: Sequence[str] = ()) -> None:
        self.slow = set(slow)
        self.wake = threading.Event()
        self.searched: list[tuple[int, bytes]] = []
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name[:1].isupper():
            return found

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.calls.append(name)
            if name in self.slow:
                self.wake.wait(120)
            if name not in vars(Recorded):  # the generated base class says the same with a traceback
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!")
            return found(request, context)

        return answer

    def Connect(self, request: Any, context: Any) -> Any:
        info = common_pb2.ServerInfo(build_tags=VERSION)
        return milvus_pb2.ConnectResponse(status=common_pb2.Status(), server_info=info, identifier=1)

    def GetVersion(self, request: Any, context: Any) -> Any:
        return milvus_pb2.GetVersionResponse(status=common_pb2.Status(), version=VERSION)

    def ListDatabases(self, request: Any, context: Any) -> Any:
        return milvus_pb2.ListDatabasesResponse(status=common_pb2.Status(), db_names=["default"])

    def ShowCollections(self, request: Any, context: Any) -> Any:
        return milvus_pb2.ShowCollectionsResponse(
            status=common_pb2.Status(), collection_names=["kinds"], collection_ids=[7]
        )

    def DescribeCollection(self, request: Any, context: Any) -> Any:
        if request.collection_name != "kinds":
            status = common_pb2.Status(error_code=common_pb2.CollectionNotExists, code=100, reason="not found")
            return milvus_pb2.DescribeCollectionResponse(status=status)
        return milvus_pb2.DescribeCollectionResponse(
            status=common_pb2.Status(), schema=schema(), collectionID=7, collection_name="kinds", shards_num=1,
            consistency_level=common_pb2.Bounded,
        )  # fmt: skip

    def GetCollectionStatistics(self, request: Any, context: Any) -> Any:
        stats = [common_pb2.KeyValuePair(key="row_count", value=str(ROWS))]
        return milvus_pb2.GetCollectionStatisticsResponse(status=common_pb2.Status(), stats=stats)

    def GetLoadState(self, request: Any, context: Any) -> Any:
        return milvus_pb2.GetLoadStateResponse(status=common_pb2.Status(), state=common_pb2.LoadStateLoaded)

    def ShowPartitions(self, request: Any, context: Any) -> Any:
        return milvus_pb2.ShowPartitionsResponse(status=common_pb2.Status(), partition_names=["_default"])

    def ListAliases(self, request: Any, context: Any) -> Any:
        return milvus_pb2.ListAliasesResponse(status=common_pb2.Status())

    def DescribeIndex(self, request: Any, context: Any) -> Any:
        found = []
        for name, metric in METRICS.items():
            if request.index_name not in {"", name}:
                continue
            kind = "BIN_FLAT" if name == "bits" else "HNSW"
            params = {"index_type": kind, "metric_type": metric, "M": "16", "efConstruction": "100"}
            if kind == "BIN_FLAT":
                params = {"index_type": kind, "metric_type": metric}
            found.append(
                milvus_pb2.IndexDescription(
                    index_name=name,
                    field_name=name,
                    indexID=1,
                    state=common_pb2.Finished,
                    indexed_rows=ROWS,
                    total_rows=ROWS,
                    params=[common_pb2.KeyValuePair(key=key, value=value) for key, value in params.items()],
                )
            )
        return milvus_pb2.DescribeIndexResponse(status=common_pb2.Status(), index_descriptions=found)

    def Query(self, request: Any, context: Any) -> Any:
        names = list(request.output_fields)
        if names == ["count(*)"]:
            scalars = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=[ROWS]))
            counted = schema_pb2.FieldData(type=schema_pb2.Int64, field_name="count(*)", scalars=scalars)
            return milvus_pb2.QueryResults(status=common_pb2.Status(), fields_data=[counted], output_fields=names)
        chosen = _meant(request.expr)
        limit = next((int(pair.value) for pair in request.query_params if pair.key == "limit"), ROWS)
        named = list(dict.fromkeys(["key", *names]))
        data = [field(name, chosen[:limit]) for name in named]
        return milvus_pb2.QueryResults(status=common_pb2.Status(), fields_data=data, output_fields=named)

    def Search(self, request: Any, context: Any) -> Any:
        group = common_pb2.PlaceholderGroup.FromString(request.placeholder_group)
        self.searched.append((group.placeholders[0].type, group.placeholders[0].values[0]))
        count = min(5, next(int(pair.value) for pair in request.search_params if pair.key == "topk"))
        found = schema_pb2.SearchResultData(
            num_queries=1, top_k=count, topks=[count], scores=[float(row) for row in range(count)],
            ids=schema_pb2.IDs(int_id=schema_pb2.LongArray(data=list(range(count)))),
            fields_data=[field(name, range(count)) for name in request.output_fields],
            output_fields=list(request.output_fields), primary_field_name="key",
        )  # fmt: skip
        return milvus_pb2.SearchResults(status=common_pb2.Status(), results=found, collection_name="kinds")


def _meant(expression: str) -> list[int]:
    """The rows that the few expressions mean that we send here."""
    if " in [" in expression:
        return [int(each) for each in json.loads(expression[expression.index("[") :])]
    return list(range(int(expression.rpartition(">")[2].strip(" )")) + 1 if ">" in expression else 0, ROWS))


class _Guard(grpc.ServerInterceptor):
    """Turns callers without the token away in a Milvus server's words (its authentication_interceptor.go)."""

    def __init__(self, token: str) -> None:
        self._wanted = base64.b64encode(token.encode()).decode()

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        given = dict(details.invocation_metadata).get("authorization", "")
        if given == self._wanted:
            return continuation(details)
        words = "auth check failure, please check username and password are correct" if given else (
            "missing authorization in header")  # fmt: skip

        def refuse(request: Any, context: Any) -> Any:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, words)

        return grpc.unary_unary_rpc_method_handler(refuse)


@contextmanager
def serving(
    *, token: str = "", slow: Sequence[str] = (), certificate: Path | None = None, host: str = "127.0.0.1"
) -> Iterator[tuple[int, Recorded]]:
    """The server on a free port of loopback; yields the port and the server. It wants `token` if one is given, and
    speaks TLS with the `cert.pem` and `key.pem` in `certificate`."""
    recorded = Recorded(slow)
    guards = (_Guard(token),) if token else ()
    server = grpc.server(ThreadPoolExecutor(8), interceptors=guards, options=[("grpc.so_reuseport", 0)])
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(recorded, server)
    if certificate is None:
        port = server.add_insecure_port(f"{host}:0")
    else:
        pair = ((certificate / "key.pem").read_bytes(), (certificate / "cert.pem").read_bytes())
        port = server.add_secure_port(f"{host}:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield port, recorded
    finally:
        recorded.wake.set()
        server.stop(0).wait()


def make_certificate(folder: Path) -> bool:
    """Put a certificate for localhost that nobody has signed into `folder`; False where openssl is not installed."""
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost"
    )
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        return False
    return True
