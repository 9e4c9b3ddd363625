# Each target with a text behind ## is listed by `make help`.

# Two: what a small machine bears. `make build CARGO_BUILD_JOBS=8` on a larger one.
export CARGO_BUILD_JOBS ?= 2
# bookworm: RabbitMQ 3.10, PostgreSQL 15; trixie: RabbitMQ 4.0, PostgreSQL 17. See tests/servers.
export SERVERS_GENERATION ?= bookworm
# Twice the cores of a small machine: most tests wait for servers, and for time to pass.
export RUST_TEST_THREADS ?= 4
# More arguments for `cargo test`: make test TEST_ARGS="--test it redelivery"
TEST_ARGS ?=
# What to measure: make bench BENCH_ARGS="--only throughput --runs 3"; `make bench BENCH_ARGS=--help` lists it all.
BENCH_ARGS ?= --picture benches/throughput.svg

CARGO_DENY := $(shell command -v cargo-deny || echo target/tools/bin/cargo-deny)

# Before a command that needs servers: starts them and puts their addresses into its environment.
WITH_SERVERS := tests/servers up && settings=$$(tests/servers env) && set -a && eval "$$settings" && set +a &&

.DEFAULT_GOAL := help
.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the release binaries
	cargo build --locked --release

.PHONY: demo
demo: ## Show the worker at work on real notifications; KEEP=1 leaves it running
	cargo build --locked
	tests/demo

.PHONY: dashboards
dashboards: ## Ask a real Prometheus, watching two workers under load, every query of the dashboard and the alerts
	cargo build --locked
	python3 -B tests/dashboards check

.PHONY: dashboards-picture
dashboards-picture: target/picture/installed ## Draw deploy/grafana/dashboard.png from some minutes of load
	cargo build --locked
	python3 -B tests/dashboards record
	target/picture/bin/python -B tests/dashboards/picture.py

# Written at the end: half an environment is never taken for a whole.
target/picture/installed: tests/dashboards/requirements.txt
	python3 -m venv --clear target/picture
	target/picture/bin/pip install --quiet --disable-pip-version-check --requirement $<
	cp $< $@

##### Tests #####

.PHONY: test
test: $(if $(TEST_ARGS),,chart) ## Run all tests against private servers (AMQP_URL and DATABASE_URL, both set: against those)
	@# The servers that tests kill have no other use.
	$(WITH_SERVERS) { cargo test --locked $(TEST_ARGS); status=$$?; SERVERS_NAME=chaos tests/servers down --wipe; exit $$status; }

.PHONY: chart
chart: ## Check the Helm chart, the Dockerfile and compose.yaml; UPDATE_GOLDEN=1 renews the snapshots and the README's table
	tests/chart/run

# Quiet is all that the figures need: they are of the whole machine. INTO=deploy/sizing.md writes them into the guide.
SIZING_MESSAGES ?= 150000
.PHONY: sizing
sizing: ## Measure what installations are sized by, as Markdown; INTO=deploy/sizing.md renews the guide's tables
	cargo build --locked --release --bin docplanner-worker
	cargo bench --locked --no-run --bench speed
	$(WITH_SERVERS) cargo bench --locked --bench speed -- --sizing $(if $(INTO),--into $(INTO)) \
	  --worker target/release/docplanner-worker --messages $(SIZING_MESSAGES)

.PHONY: test-matrix
test-matrix: ## Run the integration tests against RabbitMQ 4.0 and PostgreSQL 17
	$(MAKE) test SERVERS_GENERATION=trixie TEST_ARGS="--test it"

.PHONY: servers
servers: ## Start this checkout's RabbitMQ and PostgreSQL (installs them if it may)
	tests/servers up

.PHONY: servers-down
servers-down: ## Stop every server of this checkout; the data stays
	tests/servers down --all

##### Speed #####

.PHONY: bench
bench: ## Measure the speed (20 minutes after the builds; BENCH_ARGS picks), print the table, draw benches/throughput.svg
	cargo build --locked --release --bin docplanner-worker
	@# A copy: building a bench builds the binaries, too, with the features that tests need.
	mkdir -p target/bench && cp target/release/docplanner-worker target/bench/
	cargo bench --locked --no-run --bench speed
	$(WITH_SERVERS) cargo bench --locked --bench speed -- $(BENCH_ARGS)

.PHONY: bench-pure
bench-pure: ## Measure the pure steps: decode, key, normalize, route, encode
	cargo bench --locked --bench pure

##### Checks #####

.PHONY: check
check: fmt-check clippy doc deny rules schemas-check ## Everything that is checked without running the program

.PHONY: fmt
fmt: ## Format the code
	cargo fmt

.PHONY: fmt-check
fmt-check: ## Check the formatting
	cargo fmt --check

.PHONY: clippy
clippy: ## Lint, with warnings as errors
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: doc
doc: ## Build the documentation, with warnings as errors
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps --document-private-items

.PHONY: deny
deny: $(CARGO_DENY) ## Check licences, duplicate crates and their sources
	@# cargo-deny asks for every crate in Cargo.lock, also those that this platform does not compile.
	cargo fetch --locked --quiet
	$(CARGO_DENY) --offline check --hide-inclusion-graph licenses bans sources
	@echo "Not checked: advisories. Their database cannot be had offline; with a network: cargo deny check advisories"

.PHONY: rules
rules: ## Check the alerts' rules and the dashboard (unpacks Debian's Prometheus if there is none)
	deploy/grafana/generate --check
	@tools=$$(tests/dashboards/install) && cd deploy/prometheus && "$$tools/promtool" check rules alerts.yaml && "$$tools/promtool" test rules alerts_test.yaml

# With the settings that nobody has changed.
PRINT_SCHEMA := env -u DOCPLANNER_WORKER_CONFIG target/debug/docplanner-worker schema

.PHONY: schemas
schemas: ## Print the schemas in deploy/schemas anew
	cargo build --locked --bin docplanner-worker
	mkdir -p deploy/schemas
	for document in events asyncapi config; do $(PRINT_SCHEMA) $$document > deploy/schemas/$$document.json || exit 1; done

.PHONY: schemas-check
schemas-check: ## Check that the schemas are those of the code, and that others' tools take them
	cargo build --locked --bin docplanner-worker
	@for document in events asyncapi config; do \
	  $(PRINT_SCHEMA) $$document | diff -u deploy/schemas/$$document.json - || { echo "deploy/schemas/$$document.json is not what the code says: make schemas"; exit 1; }; \
	done
	@if command -v npm > /dev/null; then $(MAKE) --no-print-directory contracts; \
	else echo "Not checked: AsyncAPI's parser and the CloudEvents SDK, which need Node.js (Debian: nodejs, npm)"; fi

# The official AsyncAPI parser and the CloudEvents SDK of another language, installed under target/.
.PHONY: contracts
contracts: target/contracts/node_modules/.package-lock.json
	cp tests/contracts/check.mjs target/contracts/
	node target/contracts/check.mjs deploy/schemas/asyncapi.json tests/fixtures/events tests/fixtures/events-of-time

target/contracts/node_modules/.package-lock.json: tests/contracts/package-lock.json
	mkdir -p target/contracts
	cp tests/contracts/package.json tests/contracts/package-lock.json target/contracts/
	npm ci --prefix target/contracts --ignore-scripts --no-audit --no-fund
	touch $@

target/tools/bin/cargo-deny:
	@echo "building cargo-deny once (two to four minutes)"
	CARGO_TARGET_DIR=target/tools-build cargo install --locked cargo-deny --root target/tools

.PHONY: clean
clean: ## Stop the servers, delete their data and everything built
	tests/servers down --all --wipe
	cargo clean
