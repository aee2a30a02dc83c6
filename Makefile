# make help lists the commands. The environment is in .venv, what is built in _build. Every recipe also
# runs on macOS as it comes: GNU make 3.81, which knows no .SHELLFLAGS, bash 3.2 and BSD tools.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules

# The newest Python that is here, from 3.11 on; another one: make book PYTHON=...
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
# The npm packages that the site is built with; make clean keeps them
WEB := _build/web/.ready
LOWEST := _build/lowest
SITE := _build/html
PORT ?= 8000
JOBS ?= 2
NOTEBOOKS = $(wildcard notebooks/*.ipynb)
# What checks the book's JavaScript, which the build does not need; make clean keeps it too.
JS := book/_web/check
JS_READY := $(JS)/node_modules/.ready
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix $(JS)
BUILD := $(BIN)/jupyter-book build . -W -n --keep-going

.PHONY: help
help:  ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | \
		while IFS='|' read -r name what; do printf '%-16s %s\n' "$$name" "$$what"; done

.PHONY: env
env: $(READY) $(WEB)  ## Make the environment in .venv, and fetch all that the build needs

$(READY): requirements.txt requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --retries 2 -r requirements.txt || \
		{ echo "The Python packages could not be installed; pip says above why. It needs a network."; exit 1; }
	@touch $@

$(WEB): $(wildcard book/_web/*.json) book/_web/.npmrc | $(READY)
	$(BIN)/python book/_ext/offline.py
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

.PHONY: pdf
pdf: env  ## Print the built site as one PDF, _build/book.pdf, with an installed Chromium
	$(BIN)/python book/_print/book_pdf.py $(SITE) _build/book.pdf

.PHONY: lab
lab: env  ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

.PHONY: notebooks
notebooks: env  ## Run every notebook and store it with its text outputs
	$(BIN)/python tests/notebook_form.py --execute --write $(NOTEBOOKS)

.PHONY: normalize
normalize: env  ## Bring every notebook to stored form without running it
	$(BIN)/python tests/notebook_form.py --write $(NOTEBOOKS)

$(JS_READY): $(JS)/package.json $(JS)/package-lock.json $(JS)/.npmrc | $(READY)
	$(NPM) ci
	@touch $@

.PHONY: js
js: env $(JS_READY)  ## Check the JavaScript: types, format and lint
	$(NPM) run types
	$(NPM) run format
	$(NPM) run lint

.PHONY: js-format
js-format: env $(JS_READY)  ## Bring the JavaScript to the form that is checked
	$(NPM) run write

# Each check says when it starts and how long it took; all are run, and any that failed is named last.
.PHONY: test
test: env  ## Run all checks
	@failed=""; \
	check() { \
		local name=$$1 begin=$$SECONDS outcome=ok; shift; \
		echo "== $$name"; \
		"$$@" || { outcome=FAILED; failed="$$failed$$name; "; }; \
		echo "== $$name: $$outcome, $$((SECONDS - begin)) s"; \
	}; \
	rm -rf $(SITE); \
	check "ruff" $(BIN)/ruff check .; \
	check "mypy" $(BIN)/mypy; \
	check "javascript: packages" $(MAKE) --no-print-directory $(JS_READY); \
	check "javascript: types" env $(NPM) run types; \
	check "javascript: format" env $(NPM) run format; \
	check "javascript: lint" env $(NPM) run lint; \
	check "stored form of notebooks" $(BIN)/python tests/notebook_form.py $(NOTEBOOKS); \
	check "nbval" $(BIN)/pytest --nbval --nbval-current-env --nbval-cell-timeout=600 \
		-p no:benchmark -n $(JOBS) --dist loadfile -q $(NOTEBOOKS); \
	check "site" $(BUILD) --all -q; \
	check "pytest" $(BIN)/pytest -n $(JOBS) --dist worksteal --benchmark-disable; \
	check "search on a plain processor" $(BIN)/python tests/portable.py --short; \
	if [ -n "$$failed" ]; then echo "== failed: $${failed%; }"; exit 1; fi; \
	echo "== all checks: ok, $$SECONDS s"

.PHONY: map
map: env  ## Draw the rooms of the package, as their imports are, into the README
	$(BIN)/python tests/rooms.py

.PHONY: claims
claims: env  ## List how many claims of each page the tests check
	$(BIN)/python tests/claims/ledger.py

.PHONY: portable
portable: env  ## Run the tests of the model and the notebooks as on another machine
	$(BIN)/python tests/portable.py --jobs $(JOBS)

# What old versions of others say of each other is not ours to mend, hence the ignored warnings.
.PHONY: lowest
lowest: env  ## Run the tests of the model at the lowest versions that requirements.txt allows
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	grep -vE '^-' requirements.txt | $(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python \
		--resolution lowest-direct --only-binary :all: -r -
	PYTHONPATH="$(CURDIR)" $(LOWEST)/bin/python -m pytest -m model -n $(JOBS) --dist worksteal \
		--benchmark-disable -W ignore::DeprecationWarning

.PHONY: bench
bench: env  ## Time the parts that have to be fast: the simulator, and the figures of the built site
	$(BIN)/pytest tests/bench_simulator.py tests/bench_live.py -q -s --benchmark-columns=min,median,rounds

# More of them: make mutants MUTANTS="--number 500 --seed 2"
MUTANTS ?=
.PHONY: mutants
mutants: env $(JS_READY)  ## Put small faults into the code, one at a time, and tell how many the tests notice
	$(BIN)/python tests/mutants.py python --jobs $(JOBS) $(MUTANTS)
	$(BIN)/python tests/mutants.py javascript --jobs $(JOBS) $(MUTANTS)

.PHONY: lock
lock: env  ## Renew requirements.lock from requirements.txt
	@mkdir -p _build
	grep -vE '^-' requirements.txt | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--no-header --no-annotate --output-file _build/requirements.lock -
	grep -v '^$$' _build/requirements.lock > requirements.lock

.PHONY: web-lock
web-lock: env  ## Renew the locks of the npm packages in book/_web
	cd book/_web && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --package-lock-only
	cd $(JS) && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --package-lock-only

.PHONY: clean
clean:  ## Remove what was built; the environment and the npm packages stay
	if [ -d _build ]; then find _build -mindepth 1 -maxdepth 1 ! -name web -exec rm -rf {} +; fi
	rm -rf .mypy_cache .ruff_cache .hypothesis .benchmarks
	find book dmcore notebooks tests -name __pycache__ -prune -exec rm -rf {} +
