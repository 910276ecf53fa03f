# Pixera. `make help` says what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# Test files wait more than they compute; each worker has a stack of its own. Four are a little faster on two quick cores, and
# make each test a third slower: too near to what tests wait for on slow ones.
TEST_WORKERS ?= 3
# Real servers on a busy machine: what fails is tried once more, and shown with why; CONTRIBUTING.md says what that means.
RETRY ?= --reruns 1 --max-suite-reruns 5 --rerun-show-tracebacks
PY := .venv/bin/python
UV := .tools/uv/bin/uv
# Images of Python set it for what runs once. A run of the tests starts a hundred processes: each would compile all there is.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test demo chaos check fmt lock contracts observe data-map bench bench-start images k8s-render k8s-check k8s-up k8s-down k8s-e2e mail clean

help: ## Say what each command does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[36mmake %-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install everything the project needs into .venv and .tools (quick when nothing changed)
	@$(PYTHON) deploy/local/bootstrap.py

run: setup ## Start the whole platform at http://127.0.0.1:8080 (FRESH=1: from empty data; OBSERVE=1: with a Prometheus)
	@$(if $(filter 1,$(OBSERVE)),$(PY) -m deploy.observe.prometheus)
	@exec $(PY) -m deploy.local.launch --die-with $$PPID $(if $(filter 1,$(FRESH)),--fresh) $(if $(filter 1,$(OBSERVE)),--observe)

test: setup ## Run every test on a stack of its own (ARGS="-k name" chooses)
	@$(PY) -m pytest -q -n $(TEST_WORKERS) --dist loadscope --no-loadscope-reorder $(RETRY) $(ARGS)

demo: setup ## Play the whole story, from signing up to a proven erasure
	@$(PY) -m demo

chaos: setup ## Break things while people use it, and hold it to its promises (SEEDS=80 FIRST=1 LANES=2; SEED=7; DEFECT=all)
	@$(PY) -m tests.chaos $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST)) $(if $(LANES),--lanes $(LANES)) \
		$(if $(SEED),--seed $(SEED)) $(if $(DEFECT),--defect $(DEFECT)) $(ARGS)

check: setup ## Format, lint, types, imports, contracts and manifests, as CI holds them
	@.venv/bin/ruff format --check --quiet . || { echo "check: run 'make fmt'"; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --cache-dir .cache/import-linter | tail -n 4
	@$(PY) -m contracts --check
	@$(PY) -m deploy.observe --check
	@$(PY) -m deploy.k8s.generate --check
	@$(PY) -m deploy.k8s.check

fmt: setup ## Format the code and mend what the linter can
	@.venv/bin/ruff format --quiet .
	@.venv/bin/ruff check --fix --quiet .

lock: setup ## Bring requirements/*.txt up to date with pyproject.toml
	@$(PY) -m deploy.local.lock

observe: setup ## Write alerts, dashboards and the list of metrics anew from deploy/observe
	@$(PY) -m deploy.observe

contracts: setup ## Write contracts/, and what of deploy/k8s is made from the code, anew
	@$(PY) -m contracts
	@$(PY) -m deploy.k8s.generate

data-map: setup ## Write the data map, the record of processing, as Markdown, JSON and fideslang
	@$(PY) -m contracts --data-map
	@echo "contracts/data-map.md, contracts/data-map.json, contracts/data-map.fides.yml"

bench: setup ## Measure the platform against raw baselines, into bench/results/
	@$(PY) -m bench

bench-start: setup ## Measure time to ready and idle memory, into bench/results/
	@$(PY) -m bench.start

images: setup ## Build every image (BUILDER=docker|podman|buildah BASE=… TAG=dev REGISTRY=…; ARGS="auth" chooses)
	@$(PY) -m deploy.images $(ARGS)

k8s-render: setup ## Print the objects of an overlay of deploy/k8s (o=prod)
	@$(PY) -m deploy.k8s.render $(or $(o),prod)

k8s-check: setup ## Hold every object of deploy/k8s to its schema, and production to good practice
	@$(PY) -m deploy.k8s.check

k8s-up: setup ## Put overlays/dev on the cluster of KUBECONFIG, whose nodes have the images
	@$(PY) -m deploy.k8s.installation up

k8s-down: setup ## Take it away again, with all its data
	@$(PY) -m deploy.k8s.installation down

k8s-e2e: setup ## Play the story on that cluster while pods are deleted, rolled, scaled and drained (KEEP=1 leaves it there)
	@$(PY) -m deploy.k8s.e2e

mail: setup ## Print the e-mails the running platform captured (`pixera mail`)
	@.venv/bin/pixera mail

clean: ## Remove data, environments and caches (downloads stay in the user's caches)
	@rm -rf .pixera .tools .venv .cache
