#!/bin/sh
# Runs a command where it may start a real Milvus server (PyPI `milvus`, which listens on all interfaces): in a network
# namespace that has only loopback, with TEST_MILVUS_PYTHON naming the Python that has the package. Where that cannot
# be had it says why, and that nothing was run, and ends well: a machine without it has not failed a test.
#     tests/with_server.sh python3 COMMAND [ARGUMENT…]     (python3: with which the environment .venv-server is made)
python="$1"
shift

skip() {
    echo "SKIPPED, nothing was tested against a Milvus server: $1" >&2
    exit 0
}

[ "$(uname -sm)" = "Linux x86_64" ] || skip "PyPI's milvus has a server for Linux on x86-64 only; this is $(uname -sm)."
command -v unshare >/dev/null || skip "there is no command unshare (Debian and Ubuntu: apt-get install util-linux)."
command -v ip >/dev/null || skip "there is no command ip (Debian and Ubuntu: apt-get install iproute2)."
unshare -rn ip link set lo up 2>/dev/null ||
    skip "this system allows no network namespaces (unshare -rn); containers need --cap-add SYS_ADMIN for it."
if [ ! -e .venv-server/.installed ]; then
    "$python" -m venv .venv-server || skip "$python makes no environments here (apt-get install python3-venv)."
    .venv-server/bin/python -m pip install --quiet --disable-pip-version-check --no-deps milvus==2.3.5 ||
        skip "the package milvus 2.3.5 could not be installed; pip says why above."
    touch .venv-server/.installed
fi
TEST_MILVUS_PYTHON="$PWD/.venv-server/bin/python" exec unshare -rn sh -c 'ip link set lo up && exec "$@"' sh "$@"
