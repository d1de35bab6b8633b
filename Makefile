# Everything here works from a fresh clone: it installs what it needs, asks nothing, and is quick the second time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest
FAST := not real and not xen and not faults

.PHONY: demo test check format packages setup clean

demo: setup ## build libvirt, deploy it on a nested Xen host, loop guests, test the API, report
	$(BIN)/virtci run plans/demo.toml

test: setup ## all tests: unit, real sshd, real libvirtd, real QEMU, real nested Xen
	$(PYTEST) -q -n 2 --dist loadfile --no-loadscope-reorder

check: $(STAMP) ## format, lint, types, unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -q -n 2 -m "$(FAST)"

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: packages $(STAMP)

packages:
	@packaging/install-packages.sh

$(STAMP): pyproject.toml | packages
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
