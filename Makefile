# make demo   sets up, then exports, builds, runs and measures the networks that come with edgeseg
# make test   sets up, then runs the tests
# make docs   sets up, then builds the documentation as a site in site/
# make bench  sets up, then measures everything within an hour, and writes it into benchmarks/README.md; parts
#             of it by BENCH_FLAGS="--only crf growth", see python -m benchmarks.everything --help
# make release  makes what a release publishes, in dist/; it publishes nothing (docs/releasing.md)
#
# Needs python3 (3.10 or newer, with venv) and make. PIP_FLAGS reaches every pip call, for example
#   make test PIP_FLAGS="-c constraints.txt"     the exact versions that CI uses

PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
DEMO_FLAGS ?=
TEST_FLAGS ?=
BENCH_FLAGS ?=

BIN := $(VENV)/bin
MODEL_API := $(VENV)-model-api
KERNELS := $(wildcard edgeseg/*/native/* edgeseg/*/*/native/*)

.PHONY: demo test lint docs bench release clean

demo: $(VENV)/.ready-demo
	$(BIN)/edgeseg demo $(DEMO_FLAGS)

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(TEST_FLAGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.ready-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # --quiet would silence warnings and pass
	! grep -rE '<(script|img|link)[^>]+(src|href)="https?://' site --include='*.html'  # nothing from elsewhere

bench: $(VENV)/.ready-dev
	-$(BIN)/pip install $(PIP_FLAGS) --quiet pnnx  # a peer that is missing is a row that says so
	-test -e $(MODEL_API)/.ready || { $(PYTHON) -m venv $(MODEL_API) \
		&& $(MODEL_API)/bin/pip install --quiet "openvino-model-api[onnx]" && touch $(MODEL_API)/.ready; }
	$(BIN)/python -m benchmarks.everything --model-api-python $(MODEL_API)/bin/python $(BENCH_FLAGS)

release:
	.ci/release

clean:
	rm -rf $(VENV) $(MODEL_API) build dist demo-output site

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-demo: $(BIN)/pip pyproject.toml setup.py $(KERNELS)
	$(BIN)/pip install $(PIP_FLAGS) --quiet --editable ".[cpu,export]"
	touch $@

$(VENV)/.ready-dev: $(BIN)/pip pyproject.toml setup.py $(KERNELS)
	$(BIN)/pip install $(PIP_FLAGS) --quiet --editable ".[cpu,openvino,mnn,ncnn,tensorrt-rtx,export,smp,hf,monai,nnunet,streams,serve,scale,dev]"
	-$(BIN)/pip install $(PIP_FLAGS) --quiet --editable ".[crf-peers]"  # tests skip what is missing
	touch $@

$(VENV)/.ready-docs: $(BIN)/pip pyproject.toml setup.py $(KERNELS)
	$(BIN)/pip install $(PIP_FLAGS) --quiet --editable ".[docs]"
	touch $@
