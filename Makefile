# taskonomy: `make demo` shows it, `make test` proves it. Both install what they need into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
DEMO   := demo
MLFLOW := .cache/mlflow/bin/mlflow
HERE   := $(CURDIR)/$(BIN)
JOBS   ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
# Tests write thousands of small files: into memory where there is room, as waiting for a disk is half of it.
SHM    := $(shell test "$$(df -Pm /dev/shm 2>/dev/null | awk 'END {print $$4}')" -gt 4000 2>/dev/null && echo /dev/shm)
# What tests and modules compile to is kept, wherever the environment would have it made again every time.
KEPT   := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(CURDIR)/.cache/bytecode
PYTEST := $(KEPT) $(if $(SHM),PYTEST_DEBUG_TEMPROOT=$(SHM)) $(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal --quiet
# After the others and one by one: a node with all that runs on it wants the machine for itself.
NODE_TESTS = $(PYTEST) --numprocesses 0 -m node
PLANE  := $(BIN)/python tests/helpers/control_plane.py

.DEFAULT_GOAL := help
.PHONY: help demo demo-published test check lint format types venv chromium control-plane node images test-node \
  cluster-up cluster-down benchmarks clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# One line of shell each, as a user would type them in the folder of the study.
demo: $(VENV)/all ## install, then a whole study on this machine: rooms, networks, transfers, taxonomies (the main job)
	@mkdir -p $(DEMO)
	@cp examples/rooms.yaml $(DEMO)/study.yaml
	cd $(DEMO) && $(HERE)/taskonomyctl data make-rooms rooms --buildings 60 --views 25
	cd $(DEMO) && $(HERE)/taskonomyctl submit --local
	cd $(DEMO) && $(HERE)/taskonomyctl load --study rooms --from-artifacts artifacts
	cd $(DEMO) && $(HERE)/taskonomyctl bootstrap --study rooms
	cd $(DEMO) && $(HERE)/taskonomyctl solve --study rooms --output csv > taxonomies.csv
	cd $(DEMO) && $(HERE)/taskonomyctl report --study rooms
	@echo
	@echo "What was learned: how often the task's own network beats the best guess, random features, scratch"
	@cd $(DEMO) && $(HERE)/taskonomyctl sql "SELECT * EXCLUDE study FROM sanity WHERE study = 'rooms'"
	@echo "Which three tasks to label, and what each target is learned from"
	@cd $(DEMO) && $(HERE)/taskonomyctl show taxonomy --study rooms --budget 3 --order 2
	@echo
	@echo "Where to look next:"
	@echo "  $(DEMO)/report/report.html  the report: open it in a browser"
	@echo "  $(DEMO)/taxonomies.csv      every budget and order, one row each"
	@echo "  cd $(DEMO) && $(HERE)/taskonomyctl --help"

demo-published: $(VENV)/product ## the paper's own measurements instead: no training, a minute
	@mkdir -p $(DEMO)/published
	cd $(DEMO)/published && $(HERE)/taskonomyctl import published --study paper
	cd $(DEMO)/published && $(HERE)/taskonomyctl solve --study paper --orders 1,2,3,4,all --output csv > taxonomies.csv
	cd $(DEMO)/published && $(HERE)/taskonomyctl report --study paper
	@cd $(DEMO)/published && $(HERE)/taskonomyctl show taxonomy --study paper --budget 8 --order 4
	@echo
	@echo "Where to look next:"
	@echo "  $(DEMO)/published/report/report.html  the report: open it in a browser"
	@echo "  $(DEMO)/published/taxonomies.csv      every budget and order, one row each"

test: lint types chromium $(MLFLOW) control-plane node ## install, then every test, lint and type check
	$(PYTEST) -m "not node"
	$(NODE_TESTS)

test-node: node chromium $(VENV)/dev ## of these the ones that train in containers, on a real node
	$(NODE_TESTS)

check: lint types ## the fast loop: lint, types, tests without servers or a browser
	$(PYTEST) -m "not slow and not browser and not s3 and not mlflow and not cluster"

lint: $(VENV)/dev ## style, formatting and the arrows between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/dev ## mypy, strict
	$(BIN)/mypy

format: $(VENV)/dev ## put the formatting right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

venv: $(VENV)/dev ## .venv with everything for development

benchmarks: $(VENV)/dev ## measure; each prints JSON with its ratio to a baseline of the same run
	$(BIN)/python benchmarks/solve.py
	$(BIN)/python benchmarks/warehouse_scale.py
	$(BIN)/python benchmarks/win_rate_kernel.py
	$(BIN)/python benchmarks/loader.py
	$(BIN)/python benchmarks/data_loader.py
	$(BIN)/python benchmarks/rooms.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/packing.py
	$(BIN)/python benchmarks/planner.py
	$(BIN)/python benchmarks/operator_scale.py

chromium: ## a browser for the report's tests, where apt and root allow
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
	  || echo "NO CHROMIUM: the browser tests will be skipped; install it and run again" >&2

control-plane: $(VENV)/dev ## a Kubernetes control plane for the cluster tests, built once
	@$(PLANE) build \
	  || echo "NO CONTROL PLANE: the cluster tests will be skipped; see above" >&2

# Packages of Debian and, from Go, a kubelet and what it needs. Where that cannot be, it says so.
node: control-plane ## what a real node needs, for the tests that train in containers
	@command -v containerd >/dev/null && command -v buildah >/dev/null && command -v mmdebstrap >/dev/null \
	  && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends containerd runc \
	  containernetworking-plugins iptables iproute2 openssl buildah mmdebstrap postgresql \
	  >/dev/null; } \
	  || echo "NO NODE: tests in containers will be skipped; install containerd, buildah, mmdebstrap, postgresql" >&2
	@$(BIN)/python tests/helpers/one_node.py build \
	  || echo "NO NODE: the tests in containers will be skipped; see above" >&2

# Where no registry can be reached: make images IMAGES='--base bootstrapped'. More: images/build.py --help
images: $(VENV)/all ## build the container images with docker, podman or buildah; print their sizes
	@$(BIN)/python images/build.py $(IMAGES)

cluster-up: $(VENV)/dev ## start a control plane with fake GPU nodes, and say how to reach it
	@$(PLANE) up

cluster-down: ## end it
	@$(PLANE) down

clean: ## remove what make made
	rm -rf $(VENV) .cache $(DEMO) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# What reads measurements, then what trains, then what a developer adds: one environment.
$(VENV)/product: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "taskonomy needs Python 3.11 or later; say which with make PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into $(VENV) …"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[cli]'
	@touch $@

# A tracking server for the loader's tests: an environment of its own, as it pins other versions.
$(MLFLOW): constraints-mlflow.txt
	@echo "installing an MLflow server for the tests …"
	@test -x $(@D)/pip || $(PYTHON) -m venv $(MLFLOW:/bin/mlflow=)
	@$(@D)/pip install --quiet --disable-pip-version-check --requirement constraints-mlflow.txt
	@touch $@

$(VENV)/all: $(VENV)/product
	@echo "installing what trains networks (torch: some gigabytes) …"
	@$(PIP) --editable '.[all]'
	@touch $@

$(VENV)/dev: $(VENV)/all
	@echo "installing the development tools …"
	@$(PIP) --editable '.[dev]'
	@touch $@
