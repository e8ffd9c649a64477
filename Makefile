# `make run` sets up and starts Eve on this machine; `make test` checks all of it. Both bring along whatever is missing.
PYTHON ?= python3
UV = .venv/bin/uv
LOCKED = requirements/base.txt requirements/agent.txt requirements/dev.txt
LOCAL = exec $(PYTHON) -m deploy.local

.PHONY: run test setup bench lint format lock pictures python
.NOTPARALLEL:

run: python
	@$(LOCAL) run

test: python
	@$(LOCAL) test

# Everything that `make test` needs, without testing.
setup: python
	@$(LOCAL) setup

# What the console relay costs, beside nginx, Go and websockify; QUICK=1 for a first look, BENCH="--only echo" for more options.
bench: setup
	@.venv/bin/python -m benchmarks.console_relay $(if $(QUICK),--quick) $(BENCH)

lint: setup
	@.venv/bin/python -m deploy.local.checks lint

format: setup
	.venv/bin/ruff check --fix --quiet .
	.venv/bin/ruff format .

# Lock the newest versions that requirements/*.in allow. No lock holds an address of a package index.
lock: setup
	for lock in $(LOCKED); do \
		$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
			--no-emit-index-url --no-emit-find-links --upgrade "$${lock%.txt}.in" -o "$$lock" || exit 1; \
	done
	npm install --package-lock-only --ignore-scripts

# Take the pictures of README and docs anew, from a running `make run`.
pictures:
	@.venv/bin/python -m deploy.local.pictures

python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "Python is missing: installing python3"; \
		if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
		$$sudo apt-get -qq update && \
			$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends python3 >/dev/null; \
	} || { echo "python3 could not be installed. Check the network and /etc/apt, then run make again."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$$($(PYTHON) --version) is too old: Eve needs Python 3.11 or newer, as in Debian 12 and 13. \
	Or name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
