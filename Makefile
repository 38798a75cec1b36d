# make serve   a server with a page: open http://127.0.0.1:8081/ in a browser
# make demo    watch an agent at work: DEMO_FILE=path.csv gives it a file of yours,
#              DEMO_LLM=openai a real model
# make test    the tests
# make bench   what an event costs, here and with other servers
#
# All make their own environment in .venv, with any Python from 3.11 on, and install
# into it again only when pyproject.toml has changed.

VENV ?= .venv
BIN := $(VENV)/bin
SHELL := /bin/sh

# The first of these that runs and is new enough; PYTHON=... chooses another.
PYTHONS := $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev
DOCS := $(VENV)/.installed-docs
BENCH := $(VENV)/.installed-bench

# Of its own, so that what the tests need does not choose versions for the peers.
BENCH_VENV ?= .bench-venv

# Not asked of anyone: the optional rules (900s), 114, which does not know what the start of
# serve_websocket is, and 127, which is against httpx: httpx-sse and the SDKs stand on it.
# Agents that only a test or an example has may misbehave (103, 104), have nothing to await
# (124), and clean up in run.cleanup(), a shield with a deadline that it does not know (102);
# a nursery of one task (112) and a yield within a step (119) may be what is tested.
FLAKE8_ASYNC := "$(BIN)/flake8-async" --startable-in-context-manager=serve,serve_app,serve_sse,serve_websocket
IN_THE_PACKAGE := --disable=ASYNC9,ASYNC114,ASYNC127
IN_TESTS := --disable=ASYNC9,ASYNC102,ASYNC103,ASYNC104,ASYNC112,ASYNC114,ASYNC119,ASYNC124,ASYNC127
# It takes a minute or two on one core: several files at once.
AT_ONCE := xargs -0 -n 20 -P $$(nproc 2>/dev/null || echo 2)

# What the agent of "make serve" sees: a folder of its own, with a table in it.
ROOT ?= playground

# "make DEMO_FILE=..." hands it over through the environment, so that any name will do.
export DEMO_FILE DEMO_LLM ROOT

.PHONY: help serve demo test bench lint format types examples docs screenshots build clean

help:
	@echo "make serve     a server with a page, http://127.0.0.1:8081/ (ROOT=folder: with files"
	@echo "               of yours; ARGS=... for the command serve)"
	@echo "make demo      watch an agent at work (DEMO_FILE=path.csv: on a file of yours;"
	@echo "               DEMO_LLM=openai, anthropic: with a real model)"
	@echo "make test      run the tests (ARGS=... for pytest)"
	@echo "make bench     measure what an event costs, here and with other servers: 25 minutes"
	@echo "               (ARGS=--quick: see that it works; see benchmarks/README.md)"
	@echo "make lint      ruff and flake8-async"
	@echo "make format    let ruff rewrite what it can"
	@echo "make types     pyright, and whether the public types are complete"
	@echo "make examples  run the examples"
	@echo "make docs      check the documentation, run its snippets, build its site in site/"
	@echo "make screenshots  make the pictures of the panel anew, in docs/img"
	@echo "make build     a wheel and a source archive in dist/"
	@echo "make clean     remove all that these have made"

serve: $(RUNTIME)
	@if [ "$$ROOT" = playground ]; then \
	    mkdir -p playground && cp -n trio_agent_rt/cli/demo/sales.csv playground/; \
	fi
	@exec "$(BIN)/python" -m trio_agent_rt serve --root "$$ROOT" $(ARGS)

demo: $(RUNTIME)
	@for extra in $${DEMO_LLM:+openai anthropic}; do \
	    case "$$DEMO_LLM" in *$$extra*) \
	        "$(BIN)/python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$$extra') is None)" || { \
	            echo "Installing the extra $$extra into $(VENV)"; \
	            "$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable ".[$$extra]" || exit 1; \
	        };; \
	    esac; \
	done
	@"$(BIN)/python" -m trio_agent_rt demo $${DEMO_FILE:+"--file=$$DEMO_FILE"} $${DEMO_LLM:+"--llm=$$DEMO_LLM"}

test: $(DEV)
	"$(BIN)/python" -m pytest $(ARGS)

bench:
	@$(MAKE) --no-print-directory VENV="$(BENCH_VENV)" "$(BENCH_VENV)/.installed-bench"
	@"$(BENCH_VENV)/bin/python" -m benchmarks $(ARGS)

lint: $(DEV)
	"$(BIN)/ruff" check
	"$(BIN)/ruff" format --check
	find trio_agent_rt -name '*.py' -print0 | $(AT_ONCE) $(FLAKE8_ASYNC) $(IN_THE_PACKAGE)
	find benchmarks examples tests -name '*.py' -print0 | $(AT_ONCE) $(FLAKE8_ASYNC) $(IN_TESTS)

format: $(DEV)
	"$(BIN)/ruff" check --fix
	"$(BIN)/ruff" format

# --verifytypes looks for the package with the python of the PATH and heeds nothing else.
types: $(DEV)
	"$(BIN)/pyright" --pythonpath "$(BIN)/python"
	PATH="$(abspath $(BIN)):$$PATH" "$(BIN)/pyright" --verifytypes trio_agent_rt --ignoreexternal

examples: $(DEV)
	"$(BIN)/python" -m pytest tests/examples $(ARGS)

docs: $(DOCS)
	"$(BIN)/python" -m pytest tests/docs $(ARGS)
	NO_MKDOCS_2_WARNING=1 "$(BIN)/python" -m mkdocs build --strict
	@echo "The site is in site/. To read it, with its search: $(BIN)/python -m http.server -d site"

screenshots: $(DEV)
	"$(BIN)/python" -m docs.tools.screenshots

build: $(DEV)
	rm -rf dist
	"$(BIN)/python" -m hatchling build

clean:
	rm -rf .venv .ci-venv "$(BENCH_VENV)" benchmarks/peers/node/node_modules dist build site playground test-output .coverage .pytest_cache .ruff_cache .hypothesis
	find trio_agent_rt benchmarks tests examples -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(PYTHONS); do \
	    if "$$python" -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	    echo "This needs Python 3.11 or newer; tried: $(strip $(PYTHONS))." >&2; \
	    echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear "$(VENV)" || { \
	    rm -rf "$(VENV)"; \
	    echo "$$found could not make $(VENV) (on Debian: apt-get install python3-venv)." >&2; \
	    exit 1; \
	}

$(RUNTIME): pyproject.toml | $(BIN)/python
	@echo "Installing trio_agent_rt into $(VENV)"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable .
	@touch "$@"

$(DOCS): pyproject.toml $(DEV)
	@echo "Installing what the site of the documentation needs into $(VENV)"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev,docs]'
	@touch "$@"

$(BENCH): pyproject.toml | $(BIN)/python
	@echo "Installing trio_agent_rt and the servers that it is compared with into $(VENV)"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch "$@"

$(DEV): pyproject.toml | $(BIN)/python
	@echo "Installing trio_agent_rt and what its tests need into $(VENV)"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch "$(RUNTIME)" "$@"
