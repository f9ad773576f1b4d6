# The two commands a newcomer needs: `make train` and `make test`.
# Everything they need is set up in .venv the first time, and reused after that.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
LINKS := build/types
# Ray has a venv of its own: `make test` stays small, and RLlib takes one Gymnasium only.
RAY_VENV ?= .venv-ray

.PHONY: train test test-long test-ray bench check lint types docs dist format clean

train: $(VENV)/.installed
	$(BIN)/oprl-gym train $(ARGS)

test: check
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# What takes minutes: 250 kills, two million steps, five hundred examples of a property.
test-long: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "long or hypothesis" --hypothesis-profile long $(ARGS)

# What needs Ray: clusters of several nodes, started on this machine. Two files at a time:
# much of it is waiting for processes to start.
test-ray: $(RAY_VENV)/.installed
	$(RAY_VENV)/bin/python -m pytest tests/ray tests/rllib -n 2 --dist loadfile \
		$(ARGS)

# What `benchmarks/results/speed.md` says. IMITATION: a Python that has imitation 1.0.1,
# which needs versions of its own; without one those four goals are not measured.
bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.speed.throughput
	$(BIN)/python -m benchmarks.speed.fit $(if $(IMITATION),--imitation "$(IMITATION)")
	$(BIN)/python -m benchmarks.speed.overhead $(if $(IMITATION),--imitation "$(IMITATION)")
	$(BIN)/python -m benchmarks.speed.wrapping
	$(BIN)/python -m benchmarks.speed.scale
	$(BIN)/python -m benchmarks.speed.startup
	$(BIN)/python -m benchmarks.speed.report

check: lint types

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy knows nothing of the package-dir mapping in pyproject.toml, so it is shown the
# package as it will be installed: one folder of links.
types: $(VENV)/.installed-test
	rm -rf $(LINKS) && mkdir -p $(LINKS)/oprl_gym
	ln -s $(addprefix $(CURDIR)/,$(wildcard oprl_gym/*) wrappers callbacks) $(LINKS)/oprl_gym
	ln -s $(CURDIR)/benchmarks $(LINKS)
	MYPYPATH=$(LINKS) $(BIN)/mypy $(LINKS)/oprl_gym $(LINKS)/benchmarks

# The site: build/docs/index.html. What it warns of is an error, a dead link between pages
# included.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going docs build/docs
	@echo "the pages are in build/docs/index.html"

# What an index would be given: dist/.
dist: $(VENV)/.installed-test
	$(PIP) --constraint constraints.txt twine
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(RAY_VENV) build dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("oprl-gym needs Python 3.10 or newer, not " + sys.version.split()[0] if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)

# Installed in place, so that edits take effect at once.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing oprl-gym into $(VENV) (some minutes the first time)"
	$(PIP) --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) --constraint constraints.txt --editable '.[test]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) --constraint constraints.txt --editable '.[docs]'
	touch $@

$(RAY_VENV)/.installed: pyproject.toml constraints-ray.txt
	$(PYTHON) -m venv $(RAY_VENV)
	@echo "Installing oprl-gym, Ray and RLlib into $(RAY_VENV) (some minutes the first time)"
	$(RAY_VENV)/bin/python -m pip --disable-pip-version-check install --quiet \
		--constraint constraints-ray.txt --editable '.[ray,rllib]' pytest pytest-xdist
	touch $@
