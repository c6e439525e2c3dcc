# make help lists the targets. Needs Python 3.11+, git and make; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install demo release-demo test test-cluster conformance proof check format bench soak clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: $(VENV)/.installed ## install everything into .venv

$(VENV)/.installed: requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Laneway needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make a virtual environment: ensurepip is missing. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# Without CLUSTER the user's kubeconfig is not looked at, and the current context never is.
demo: install ## the whole story on the embedded system, or on CLUSTER=CONTEXT; ONCE=1 plays it once and ends
	@$(BIN)/laneway dev demo $(if $(ONCE),--once) $(if $(CLUSTER),--cluster $(CLUSTER))

release-demo: install ## versions that meet in a chain, counted on CLUSTER=CONTEXT: by Argo Rollouts' weights, then by a release
	@$(BIN)/python -m bench.rollouts_demo --cluster "$(CLUSTER)"

# Much of a test is waiting, so four run at a time on two cores; in the order of collection, so that whole systems
# come first and the short tests fill the end.
test: install ## the tests, but for those of `make proof`
	@$(BIN)/python -m pytest tests -m "not cluster and not proof" -n 4 --dist loadfile --no-loadscope-reorder

proof: install ## what takes minutes to prove: a worker killed at every call, random histories, stale workers
	@$(BIN)/python -m pytest tests -m proof -n 3 --dist worksteal

test-cluster: install ## the tests on a real cluster: CLUSTER=CONTEXT, else kind where docker runs
	@PYTHON=$(CURDIR)/$(BIN)/python tests/cluster/run "$(CLUSTER)"

conformance: install ## one list of cases, by DRIVER=envoy, or by DRIVER=istio or gateway-api on CLUSTER=CONTEXT
	@LANEWAY_CONFORMANCE="$(or $(DRIVER),envoy)" LANEWAY_CLUSTER="$(CLUSTER)" $(BIN)/python -m pytest tests/conformance

check: install ## ruff, formatting, mypy --strict, import-linter; changes nothing
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --no-cache --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: install ## format the code and mend what ruff can
	@$(BIN)/ruff check --fix --no-cache .
	@$(BIN)/ruff format --no-cache .

bench: install ## the figures: prints a table, writes bench/results/*.json
	@$(BIN)/python -m bench

soak: install ## pull requests, faults, kills and traffic for MINUTES=10; SEED=n plays the same again
	@$(BIN)/python -m bench.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

clean: ## remove what the targets made
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .hypothesis
