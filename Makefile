# Two commands do all set-up: `make demo` runs the main job, `make test` the tests.
# They need Python 3.10 or later, make, git and a C compiler. Versions and tools that the tests use beyond that
# (R, g++, Node.js) are installed by .ci/run; without them the tests say what they leave out.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
TEST_EXTRAS ?= test
WORKERS ?= 2
# The oldest that Python 3.13 has a wheel of: what it generates runs on every protobuf and gRPC from then on.
PROTOC := grpcio-tools==1.67.1

.PHONY: demo test again docs portable versions lint format proto proto-check r-reference warmup benchmark lectures ratios arm64 clean

demo: $(VENV)/.demo
	$(BIN)/python examples/demo.py

test: $(VENV)/.test lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

again: $(VENV)/.test
	$(BIN)/python -m tests.again

# The site, in build/site, without network.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "build/site/index.html"

portable: $(VENV)/.test
	$(BIN)/python -m tests.portable

versions: $(VENV)/.test
	$(BIN)/python -m tests.versions

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy pytrainr server/pytrainr_server client/python/pytrainr_client

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(VENV)/proto/.$(PROTOC)
	$(VENV)/proto/bin/python proto/generate.py

proto-check: $(VENV)/proto/.$(PROTOC)
	$(VENV)/proto/bin/python proto/generate.py --check

# The functions of the R package for the docs, from its manual pages.
r-reference:
	Rscript client/r/reference.R

benchmark: $(VENV)/.test
	$(BIN)/python benchmarks/widths.py
	$(BIN)/python benchmarks/convolution.py
	$(BIN)/python benchmarks/prediction.py
	$(BIN)/python benchmarks/scaling.py

ratios: $(VENV)/.test
	$(BIN)/python benchmarks/widths.py --check

# What docs/lectures shows, as far as it was not made before; `--again` makes all anew, `--quick` tries it.
lectures: $(VENV)/.test
	$(BIN)/python -m examples.lectures

warmup: $(VENV)/.demo
	$(BIN)/pytrainr warmup

# On an emulated ARM processor, half an hour; needs Debian's qemu-user-static.
arm64: $(VENV)/.test
	$(BIN)/python tests/machines/arm64.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[$(TEST_EXTRAS)]'
	touch $@

$(VENV)/.docs: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[docs,client,server,plots,sklearn]'
	touch $@

# In an environment of its own: the generator wants an older protobuf than what is tested.
$(VENV)/proto/.$(PROTOC):
	$(PYTHON) -m venv $(VENV)/proto
	$(VENV)/proto/bin/python -m pip install --quiet $(PROTOC)
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
