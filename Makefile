# What people and CI type. `make help` lists it.

CARGO    ?= cargo
DATA     ?= target/demo
MODE     ?= all parts deployed
PROFILE  ?= embedded
SERVICES ?= postgres redis elasticsearch opensearch haproxy

# Modules left out of the runs on the other profiles: those that choose their servers themselves, whatever the profile, or
# use none. A test that is about files of the embedded profile leaves itself out.
ANYWHERE = --skip elastic:: --skip elastic_nodes:: --skip redis_queue:: --skip postgres_queue:: --skip plans:: \
	--skip cli_config:: --skip deployment::

# The suites once more, on each of the other profiles.
ON_PROFILES = for profile in postgres redis; do TEST_PROFILE=$$profile $(CARGO) test --workspace --test it -- $(ANYWHERE); done

.PHONY: help run test test-profiles lint fmt bench chaos fuzz services services-down

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Start assay with a corpus of real reports, at http://127.0.0.1:8080
	$(CARGO) run -- serve --demo --data $(DATA)

test: ## Run all tests, with real servers as far as they can be had
	env $$(services/up postgres redis elasticsearch opensearch haproxy) sh -ec '$(CARGO) test --workspace; $(ON_PROFILES)'

test-profiles: ## Run the suites of pipeline and api on PostgreSQL alone, with the queue there and in Redis
	env $$(services/up postgres redis elasticsearch haproxy) sh -ec '$(ON_PROFILES)'

services: ## Install and start the servers that tests use, and say where they are (SERVICES="postgres redis elasticsearch3")
	services/up $(SERVICES)

services-down: ## Stop what `make services` and tests started
	services/down

lint: ## Formatting, clippy and documentation, each warning an error
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

fmt: ## Format the code
	$(CARGO) fmt --all

bench: ## Measure every scenario beside its floors, at a size of a few minutes (PROFILE=embedded, postgres or redis)
	$(CARGO) build --release -p api -p bench
	$${CARGO_TARGET_DIR:-target}/release/assay-bench all --profile $(PROFILE)

chaos: ## Kill, starve and break a running assay, and prove that it kept its promises (MODE="all parts deployed")
	$(CARGO) build -p api -p chaos
	for mode in $(MODE); do $${CARGO_TARGET_DIR:-target}/debug/assay-chaos --mode $$mode || exit; done

fuzz: ## Try each parser of outside bytes with a hundred thousand inputs
	CARGO_PROFILE_DEV_OPT_LEVEL=2 $(CARGO) run -p fuzz -- --inputs 100000
