# make run   everything from nothing: environment, photos, vectors, the dashboard
# make test  everything that proves it
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
endif
PORT ?= 8501
UV := 0.13.9
PIP_AUDIT := 2.10.1
# Open the browser by itself only where there is a screen.
HEADLESS := $(if $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname 2>/dev/null)),$(filter Windows_NT,$(OS))),false,true)
# A folder name with spaces must not split these.
RUN := "$(BIN)/python"

.PHONY: run train test quick lint-js torture torture-long test-server check prepare install install-tests chromium bench bench-server
.PHONY: lock audit clean

run: install
	$(RUN) -m lib prepare
	$(RUN) -m streamlit run Home.py --server.port $(PORT) --server.headless $(HEADLESS)

# Four regimes under three seeds, the careful recipe: hours on a CPU. Stop it when you like; it goes on where it was.
train: install
	$(RUN) -m lib train --regime transfer,finetune,init --seeds 0,1,2 --image-size 160 --resume
	$(RUN) -m lib train --regime scratch --seeds 0,1,2 --resume

prepare: install
	$(RUN) -m lib prepare

install: $(VENV)/.installed

install-tests: $(VENV)/.installed-tests

# The stamps hold the requirements they were made from: nothing is asked of the network while these are unchanged.
$(VENV)/.installed: requirements.lock | $(VENV)/.made
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@cp requirements.lock "$@"

$(VENV)/.installed-tests: tests/requirements.txt $(VENV)/.installed
	$(RUN) -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@cp tests/requirements.txt "$@"

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Petalscope needs Python 3.11 to 3.13; this is {v[0]}.{v[1]}. Try: make PYTHON=python3.11")'
	$(PYTHON) -m venv "$(VENV)" || { echo "Python cannot make environments here; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@touch "$@"

check: install-tests lint-js
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

# JavaScript is linted and its pure parts are tested where node is there. Without node, or without the npm registry,
# one line says what is left out, and the target succeeds.
lint-js:
	@command -v npm >/dev/null || { echo "No node here: the JavaScript is not linted or tested. Try: apt-get install nodejs npm"; exit 0; }; \
	if [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund --fetch-retries 0; \
	then npm run --silent lint || exit 1; \
	elif npm view --fetch-retries 0 @biomejs/biome name >/dev/null 2>&1; then exit 1; \
	else echo "The npm registry is out of reach: the JavaScript is tested, but not linted."; fi; \
	npm test --silent

# Browser tests need Debian's chromium. Without it, and where it cannot be installed, they are skipped and say so.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	echo "No chromium here and no way to install it: the browser tests will be skipped. Try: sudo apt-get install chromium"

# What to run while you change something: unit tests without a browser and without the slow ones, in two minutes.
quick: install-tests
	$(RUN) -m pytest -n 2 --dist loadfile tests/unit -m "not slow and not browser"

test: check chromium
	$(RUN) -m pytest -n 2 --dist loadfile

# Faults on purpose: kills, hostile files, full disks, crowds. The last line says how many, and what was lost.
torture: install-tests chromium
	$(RUN) -m tests.torture

torture-long: install-tests chromium
	$(RUN) -m tests.torture --long

# Every hot path beside what one would take instead, on the prepared photos: a table, and benchmarks/results.json.
bench: install-tests
	$(RUN) -m benchmarks

# Against a real Milvus server, in an environment of its own, on loopback only; skipped, with the reason, where it
# cannot be had (see tests/with_server.sh).
test-server: install-tests
	tests/with_server.sh $(PYTHON) $(RUN) -m pytest -n 0 tests/unit/store/test_server.py tests/pages/test_milvus_server.py

bench-server: install-tests
	tests/with_server.sh $(PYTHON) $(RUN) -m benchmarks.server

# After a change of requirements.txt: the same for all systems, with the hash of every file that may be installed.
lock: .venv-tools/.installed
	.venv-tools/bin/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" requirements.txt -o requirements.lock

# Known holes in what is installed, as PyPI's database tells.
audit: .venv-tools/.installed
	.venv-tools/bin/python -m pip_audit --require-hashes --disable-pip -r requirements.lock

.venv-tools/.installed:
	$(PYTHON) -m venv .venv-tools
	.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV) pip-audit==$(PIP_AUDIT)
	@touch "$@"

clean:
	rm -rf "$(VENV)" .venv-server .venv-tools
