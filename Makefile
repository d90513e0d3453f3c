# Every target bootstraps the environment it needs; `make help` lists them.
# Variables: PROFILE=smoke|mini|standin|paper  TARGET=disfa|gft  SEED=0  GPUS=N (plans)  ARGS="further words for the command"
#            SWEEP=fgnet_rates, or a file
#            CPU=1, when the environment is set up: a build of torch without CUDA, whose 2.7 GB are not fetched then
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV    := .venv
PYTHON  ?= python3
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
LOCK    := requirements.lock
CPU     ?=
RESOLVE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --constraint constraints.txt \
           --no-emit-index-url --no-annotate --no-header
UV      := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps
PROFILE ?=
TARGET  ?=
SEED    ?= 0
GPUS    ?=
SWEEP   ?=
WORKERS ?= 2
ARGS    ?=
WORDS   := $(if $(PROFILE),--profile $(PROFILE)) --seed $(SEED) $(ARGS)
# Institutes' proxies often sign with a certificate that only the system knows.
export UV_SYSTEM_CERTS ?= 1

.PHONY: help env test test-slow test-all test-slurm fuzz kills slurm-table3 sweep lint format reproduce-table3 plan-table3 \
        reproduce-table2 reproduce-tables1 reproduce-tables3 reproduce-tables4 reproduce-table4 \
        reproduce-tables2 reproduce-tables5 reproduce-figure3 reproduce-figure5 \
        reproduce-fgnet plan-fgnet reproduce-pm2 plan-pm2 pictures benchmarks docs wheel-check lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): $(LOCK) requirements-uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "aukit needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "setting up $(VENV) (once; $(if $(CPU),without CUDA,3.2 GB of packages))"; date +%s > .venv-started
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
ifeq ($(CPU),)
	@$(UV) --require-hashes -r $(LOCK)
else # builds without CUDA are other files, in an index that uv knows; their hashes are not those of the lock
	@awk '/^[a-z0-9]/ {left = /^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z-]+)==/} !left' $(LOCK) > $(VENV)/cpu.lock
	@$(UV) --require-hashes -r $(VENV)/cpu.lock
	@UV_TORCH_BACKEND=cpu $(UV) $$(awk '/^(torch|torchvision)==/ {print $$1}' $(LOCK))
endif
	@$(UV) --no-build-isolation --editable .
	@echo "environment ready after $$(( $$(date +%s) - $$(cat .venv-started) )) s"; rm -f .venv-started
	@touch $@

env: $(READY) ## Set up the local environment (.venv) from requirements.lock

test: $(READY) ## Run the tests, files side by side (WORKERS=2)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-slow: $(READY) ## Run what takes a minute or two each: tables in `smoke`, kills, damaged releases, tutorials, the site
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "slow and not heavy" $(ARGS)

test-all: $(READY) ## Run all tests, one after the other, also the long ones (an hour or more) and those that want 12 GB of memory
	$(BIN)/python -m pytest -m "heavy or not heavy" $(ARGS)

fuzz: $(READY) ## Damage 840 releases and 90 files of weights, and judge each (about five minutes)
	$(BIN)/python -m tests.fuzz --seed $(SEED) $(ARGS)

kills: $(READY) ## Stop every long command at 60 random moments, go on, compare bit by bit (about an hour)
	$(BIN)/python -m tests.kills --seed $(SEED) $(ARGS)

test-slurm: $(READY) ## Jobs on a SLURM of two nodes that the tests start (Debian: slurm-wlm, munge), ten of them put back twice (an hour)
	$(BIN)/python -m pytest -m "heavy or not heavy" tests/slurm $(ARGS)
	$(BIN)/python -m tests.slurm --seed $(SEED)

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Apply the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reproduce-table3: $(READY) ## Table 3 of Niinuma et al. (WACV 2021): published columns beside ours
	$(BIN)/aukit reproduce niinuma2021 --table 3 $(WORDS)

plan-table3: $(READY) ## What reproduce-table3 would run: cells, hours, disk
	$(BIN)/aukit reproduce niinuma2021 --table 3 --plan $(if $(GPUS),--gpus $(GPUS)) $(WORDS)

reproduce-table2: $(READY) ## Table 2: 2D and 3D alignment, real and synthetic images; runs that tables share are made once
	$(BIN)/aukit reproduce niinuma2021 --table 2 $(WORDS)

reproduce-tables1: $(READY) ## Table S1: single and combined training sets
	$(BIN)/aukit reproduce niinuma2021 --table S1 $(WORDS)

reproduce-tables3: $(READY) ## Table S3: with and without the idiosyncratic loss
	$(BIN)/aukit reproduce niinuma2021 --table S3 $(WORDS)

reproduce-tables4: $(READY) ## Table S4: StarGAN, and GANimation's own classifier
	$(BIN)/aukit reproduce niinuma2021 --table S4 $(WORDS)

reproduce-table4: $(READY) ## Table 4: Multi-PIE's faces, tested on FERA 2017 and on all of DISFA
	$(BIN)/aukit reproduce niinuma2021 --table 4 $(WORDS)

reproduce-tables2: $(READY) ## Table S2: single and combined training sets, tested on all of DISFA
	$(BIN)/aukit reproduce niinuma2021 --table S2 $(WORDS)

reproduce-tables5: $(READY) ## Table S5: tested on all of UNBC-McMaster
	$(BIN)/aukit reproduce niinuma2021 --table S5 $(WORDS)

reproduce-figure3: $(READY) ## Figure 3: each weight of the synthesis' losses ten times less and more
	$(BIN)/aukit reproduce niinuma2021 --table Fig3 $(WORDS)

reproduce-figure5: $(READY) ## Figure 5: the nine views of FERA 2017, and a training set that is turned to them
	$(BIN)/aukit reproduce niinuma2021 --table Fig5 $(WORDS)

reproduce-fgnet: $(READY) ## FG-Net within and across BP4D and DISFA, on few frames, with other heads; baselines beside it
	$(BIN)/aukit reproduce fgnet $(WORDS)

plan-fgnet: $(READY) ## What reproduce-fgnet would run: cells, hours, disk
	$(BIN)/aukit reproduce fgnet --plan $(if $(GPUS),--gpus $(GPUS)) $(WORDS)

reproduce-pm2: $(READY) ## PM2 and its rivals from BP4D and avatars to DISFA (TARGET=gft: to GFT), F1 and fairness
	$(BIN)/aukit reproduce pm2 $(if $(TARGET),--target $(TARGET)) $(WORDS)

plan-pm2: $(READY) ## What reproduce-pm2 would run: cells, hours, disk
	$(BIN)/aukit reproduce pm2 --plan $(if $(GPUS),--gpus $(GPUS)) $(if $(TARGET),--target $(TARGET)) $(WORDS)

slurm-table3: $(READY) ## Table 3 as jobs of SLURM (ARGS="--site FILE --gpus-per-cell 2 --time 4:00:00"); closed and opened at will
	$(BIN)/aukit reproduce niinuma2021 --table 3 --launcher slurm $(WORDS)

sweep: $(READY) ## A sweep here: SWEEP=fgnet_rates, or a file (ARGS="-n 20 data.root=bp4d"; docs/sweeps.md)
	$(BIN)/aukit sweep $(SWEEP) --local $(if $(PROFILE),--profile $(PROFILE)) $(ARGS)

pictures: $(READY) ## The pictures of the README, from the runs of reproduce-table3
	$(BIN)/python -m docs.make_pictures $(WORDS)

benchmarks: $(READY) ## Speed, each as a ratio against a named baseline
	@for b in benchmarks/*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

docs: $(READY) ## Build the site of the pages and the reference in build/docs; a warning is an error
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -c docs -d build/doctrees . build/docs

wheel-check: $(READY) ## Build the wheel, install it in a clean environment, use it in an empty folder
	.ci/wheel-check

lock: $(READY) ## Resolve requirements.lock anew from pyproject.toml, and the hashes of uv
	$(RESOLVE) pyproject.toml --extra dev --extra docs --output-file $(LOCK)
	echo uv | $(RESOLVE) - --output-file requirements-uv.txt

clean: ## Remove caches (runs and tables in lightning_logs stay)
	rm -rf .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
