# make help lists the commands. The environment is in .venv, what is built in _build.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules

# The newest Python that is here, from 3.11 on; another one: make book PYTHON=...
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
SITE := _build/html
PORT ?= 8000
JOBS ?= 2
NOTEBOOKS = $(wildcard notebooks/*.ipynb)
BUILD := $(BIN)/jupyter-book build . -W -n --keep-going

.PHONY: help
help:  ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | \
		while IFS='|' read -r name what; do printf '%-16s %s\n' "$$name" "$$what"; done

.PHONY: env
env: $(READY)  ## Make the environment in .venv

$(READY): requirements.txt requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	@touch $@

.PHONY: book
book: env  ## Run every notebook, build the site and say where to open it
	$(BUILD)
	@echo "Open file://$(CURDIR)/$(SITE)/index.html"

.PHONY: serve
serve:  ## Serve the built site on a local port (PORT=8000)
	@test -f $(SITE)/index.html || { echo "There is no site yet: make book builds it"; exit 1; }
	@echo "Open http://127.0.0.1:$(PORT)/ (Ctrl-C ends)"
	$(PYTHON) -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

.PHONY: lab
lab: env  ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

.PHONY: notebooks
notebooks: env  ## Run every notebook and store it with its text outputs
	$(BIN)/python tests/notebook_form.py --execute --write $(NOTEBOOKS)

.PHONY: normalize
normalize: env  ## Bring every notebook to stored form without running it
	$(BIN)/python tests/notebook_form.py --write $(NOTEBOOKS)

# Each check says when it starts and how long it took; all are run, and any that failed is named last.
.PHONY: test
test: env  ## Run all checks
	@failed=(); \
	check() { \
		local name=$$1 begin=$$SECONDS outcome=ok; shift; \
		echo "== $$name"; \
		"$$@" || { outcome=FAILED; failed+=("$$name"); }; \
		echo "== $$name: $$outcome, $$((SECONDS - begin)) s"; \
	}; \
	rm -rf $(SITE); \
	check "ruff" $(BIN)/ruff check .; \
	check "mypy" $(BIN)/mypy; \
	check "stored form of notebooks" $(BIN)/python tests/notebook_form.py $(NOTEBOOKS); \
	check "nbval" $(BIN)/pytest --nbval --nbval-current-env --nbval-cell-timeout=120 \
		-p no:benchmark -n $(JOBS) --dist loadfile -q $(NOTEBOOKS); \
	check "site" $(BUILD) --all -q; \
	check "pytest" $(BIN)/pytest -n $(JOBS) --dist worksteal --benchmark-disable; \
	if (($${#failed[@]})); then printf '== failed: %s\n' "$${failed[@]}"; exit 1; fi; \
	echo "== all checks: ok, $$SECONDS s"

.PHONY: map
map: env  ## Draw the rooms of the package, as their imports are, into the README
	$(BIN)/python tests/rooms.py

.PHONY: bench
bench: env  ## Time the parts that have to be fast: the simulator, and the figures of the built site
	$(BIN)/pytest tests/bench_simulator.py tests/bench_live.py -q -s --benchmark-columns=min,median,rounds

.PHONY: lock
lock: env  ## Renew requirements.lock from requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet uv
	grep -vE '^-' requirements.txt | $(BIN)/uv pip compile --upgrade --universal --python-version 3.11 \
		--no-header --no-annotate --output-file requirements.lock -
	@sed -i '/^$$/d' requirements.lock

.PHONY: web-lock
web-lock: env  ## Renew the lock of the npm packages in book/_web
	cd book/_web && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --package-lock-only

.PHONY: clean
clean:  ## Remove what was built; the environment stays
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find book dmcore notebooks tests -name __pycache__ -prune -exec rm -rf {} +
