# What a developer calls. `make` alone lists the targets.
# Everything builds in one profile (release), so that nothing is built twice.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
SEEDS ?= 20
PACKAGES := chromium
# What runs of real systems start, and what nodes behind SSH need.
PACKAGES += etcd-server redis-server openssh-server nftables iproute2
# What hosts of a test have besides, as a user has them.
PACKAGES += sudo
# Programs whose clocks are set wrong by tests.
PACKAGES += golang-go default-jdk-headless
# What fetches the archives that plans name by a URL.
PACKAGES += curl
# What assembles the Kafka that tests start.
PACKAGES += maven
# What says whether the Vagrantfile is one.
PACKAGES += vagrant
# A client in another language.
PACKAGES += python3

.PHONY: help build agent packages test lint docs bench nightly track-record track-record-real flush-table vm-test etcd redis kafka

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

build: ## Build the one binary, target/release/schism
	$(CARGO) build --release

agent: ## Build the small agent for hosts of another age: SCHISM_AGENT=target/agent/…/schism-agent
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --release -p schism-agent --target $$(rustc -vV | sed -n 's/host: //p') --target-dir target/agent

packages: ## Install what the full test run needs (Debian packages, as root only)
	@.ci/packages $(PACKAGES)

test: packages ## Install what the tests need where that is allowed, then run every test
	@.ci/test

lint: ## Formatting and clippy, as CI wants them
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --release -- -D warnings

docs: ## The documentation of the code
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --release

bench: packages ## How fast histories are judged, operations recorded, hosts reached and real systems loaded
	$(CARGO) build --release
	$(CARGO) run --release -p schism --example check_speed -- --write docs/performance.md
	$(CARGO) run --release -p schism --example real_speed -- --write docs/performance.md
	target/release/schism run plans/memory.yaml --quiet

nightly: build ## The long runs: a million random histories, 10,000 simulated seeds, 400 kills of what holds faults
	SCHISM_CASES=1000000 $(CARGO) test --release -p schism-checkers
	SCHISM_KILLS=100 $(CARGO) test --release -p schism-lab --test ssh_lab -- a_killed
	$(CARGO) test --release -p schism --test etcd_runs --test given_hosts --test real_redis -- --ignored
	target/release/schism node simulate --seeds 1..10000
	for bug in commit-old-term forget-vote no-fsync; do \
		! target/release/schism node simulate --seeds 1..1000 --bug $$bug || exit 1; \
	done

track-record: build ## Every planted bug over SEEDS seeds, and the same plans without the bug; rewrites README's table
	$(CARGO) run --release -p schism --example track_record -- --seeds $(SEEDS)

track-record-real: build ## Plans against real systems over SEEDS seeds; rewrites README's table of them
	$(CARGO) run --release -p schism --example track_record -- --real --seeds $(SEEDS)

flush-table: build ## What flush.messages costs and saves Kafka when the power fails; rewrites the table in docs/performance.md
	$(CARGO) run --release -p schism --example flush_table -- --write docs/performance.md

# Throw-away, and some minutes in the making.
GUEST ?= target/guest

vm-test: ## Real clock, netem and reboots in a Debian guest under QEMU, which needs no KVM; some minutes
	@.ci/packages mmdebstrap qemu-system-x86 e2fsprogs openssh-client
	lab/guest/build.sh $(GUEST)
	$(CARGO) build --release -p schism-agent
	lab/guest/run.sh $(GUEST) lab/guest/test.sh "$$($(CARGO) test --release -p schism-agent --lib --no-run --message-format json \
		| sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)" target/release/schism-agent

etcd: ## Build a release of etcd, unmodified, for plans with `version`: make etcd VERSION=3.6.9
	targets/etcd-build/build.sh $(VERSION)

redis: ## Fetch a release of Redis for plans with `version`: make redis VERSION=8.2.3
	targets/redis-build/fetch.sh $(VERSION)

kafka: ## Assemble a release of Kafka from Maven for plans with `version`: make kafka VERSION=4.1.0
	targets/kafka-build/assemble.sh $(VERSION)
