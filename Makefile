# `make` lists the targets. What runs in CI is `make setup ci`, and nothing else.

FUZZTIME  ?= 10s
FUZZ      ?=
BENCHTIME ?= 1s
HOURS     ?= 3
CELLS     ?= 8
MINUTES   ?= 30
SEED      ?= 1
ONLY      ?=
FOLDER    ?=
RACE      ?= -race
PREVIOUS  ?= $(shell git describe --tags --abbrev=0 HEAD^ 2>/dev/null)
STAGE      = STAGES=bin/stages .ci/stage

# The packages whose tests start a redis-server.
REDIS_PACKAGES = $(shell go list -f '{{.ImportPath}} {{.Name}} {{.TestImports}} {{.XTestImports}}' ./... \
	| awk '/matchmaker\/integration/ {print $$1}')

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help setup build test lint integration topologies fuzz fuzz-long bench api-bench bench-report bench-lint budgets restart screenshots simulate memory mutants faults faults-quick soak mixed ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what the tests need beside Go: redis-server, a C compiler, and programs that the examples name
	@.ci/setup

build: ## build bin/matchmaker, a static binary
	CGO_ENABLED=0 go build -trimpath -o bin/matchmaker ./cmd/matchmaker

test: ## run the tests that need nothing but Go, with the race detector
	go test $(RACE) -short ./...
	cd docs/kratos && go test ./...
	cd integration/bench && go test ./figures ./page

lint: ## check format, go.mod, go vet, staticcheck, and who may import whom
	@test -z "$$(gofmt -l .)" || { echo "not formatted, run gofmt -w:"; gofmt -l .; exit 1; }
	go mod tidy -diff
	go vet ./...
	cd docs/kratos && go mod tidy -diff && go vet ./...
	cd integration/bench && go vet ./figures ./page
	go tool -modfile=.ci/tools/go.mod staticcheck ./...
	go test -run '^TestImports' ./integration

integration: ## run the tests against a real redis-server, with real processes, but for the faults and the simulation; a missing one fails
	CI=true go test $(RACE) -count=1 -p 1 -timeout 10m $(filter-out %/integration/faults %/integration/simulate,$(REDIS_PACKAGES))

topologies: ## run what is promised of Redis on a single server, on Sentinel and on a cluster; print a table (3 min)
	@.ci/topologies $(RACE)

fuzz: ## run each fuzz test that matches FUZZ (all) for FUZZTIME (10s, or as many runs: 5000x)
	@grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*$(FUZZ)[A-Za-z0-9_]*' . | sed -E 's|^(.*)/[^/]*:[0-9]+:func (.*)|\1 \2|' | sort -u | \
	while read -r dir name; do \
		echo "go test -run '^$$' -fuzz '^$$name\$$' -fuzztime $(FUZZTIME) $$dir"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$dir" || exit 1; \
	done

fuzz-long: ## run each fuzz test for a minute
	@$(MAKE) --no-print-directory fuzz FUZZTIME=1m

bench: ## run the benchmarks, each for BENCHTIME (1s)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

api-bench: ## measure the HTTP API: reads with 10,000 hosts, a change told to 1,000 readers
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) ./cmd/matchmaker/internal/api

bench-report: ## measure everything beside its peers, and write docs/performance.md; ONLY=regexp prints parts of it (20 min)
	@cd integration/bench && go test -count=1 -timeout 60m -run '^TestReport$$' -v . -args $(if $(ONLY),-only '$(ONLY)',-publish $(CURDIR)/docs/performance.md)

bench-lint: ## check the module of the benchmarks whole; not in CI, for its peers take minutes to compile
	cd integration/bench && go mod tidy -diff && go vet ./... && go tool -modfile=../../.ci/tools/go.mod staticcheck ./...

budgets: ## measure at full size what is promised of watchers, herds, deaths and outages (8 min)
	@mkdir -p bin && rm -f bin/budgets
	@go test -count=1 -timeout 10m -parallel 4 -run '^TestBudget' -skip '^TestBudgetJoinReachesAPicker' ./integration -args -budgets $(CURDIR)/bin/budgets; code=$$?; cat bin/budgets; exit $$code

restart: ## measure at full size, at 2,000 requests a second: rolling restarts, kills, an outage of Redis (12 min)
	@mkdir -p bin && rm -f bin/restart
	@go test -count=1 -timeout 25m -run '^(TestRolling|TestOutageOfRedisFails|TestBudgetJoinReaches)' ./integration -args -budgets $(CURDIR)/bin/restart; code=$$?; cat bin/restart; exit $$code

screenshots: ## look at the page with Chromium, and write docs/images/*.png; with FOLDER every look, there (2 min)
	CI=true go test -count=1 -timeout 5m -run '^TestScreenshots' ./integration/page -args -screenshots '$(or $(FOLDER),$(CURDIR)/docs/images)' -all=$(if $(FOLDER),true,false)

simulate: ## let 200 hosts come, go and fail for HOURS (3) drawn from SEED (1), and check every promise
	HOURS=$(HOURS) SEED=$(SEED) go test -v -count=1 -timeout 0 ./integration/simulate

memory: ## show a watcher a million changes: it takes no more memory than after a tenth of them (1 min)
	go test -v -count=1 -run '^TestAWatcherTakesNoMoreMemory' ./redismm -changes 1000000

mutants: ## break the code in each way that a test must notice, or those that match ONLY, and see that it does (35 min)
	@go run ./integration/mutants -only '$(ONLY)'

faults: ## try every fault against every way in which Redis runs, and write docs/reliability.md (10 min)
	CI=true go test -count=1 -timeout 25m -parallel $(CELLS) -run Fault ./integration/faults -args -cells all -seed $(SEED) -publish $(CURDIR)/docs/reliability.md

faults-quick: ## try every fault once, against what SEED (1) draws (70 s)
	CI=true go test -count=1 -timeout 5m -parallel $(CELLS) -run Fault ./integration/faults -args -cells quick -seed $(SEED)

mixed: ## run processes of the release PREVIOUS (the tag before) and of this one together, both ways
	@.ci/mixed $(PREVIOUS)

soak: ## bring random faults about for MINUTES (30), over 1,000 hosts in 20 processes, and write docs/soak.md
	CI=true go test -v -count=1 -timeout 0 -run '^TestSoak$$' ./integration/faults -args -soak $(MINUTES)m -seed $(SEED) -publish $(CURDIR)/docs/soak.md

# The budgets are less than 20 minutes all together. Of the faults each is tried once, against what SEED draws; all cells
# take too long for every change.
ci: ## run every stage, each with its time and its budget; mixed from the first tag on
	@mkdir -p bin && rm -f bin/stages
	@$(STAGE) build 120 $(MAKE) --no-print-directory build
	@$(STAGE) lint 240 $(MAKE) --no-print-directory lint
	@$(STAGE) fuzz 20 $(MAKE) --no-print-directory fuzz FUZZ=Ring FUZZTIME=5000x
	@$(STAGE) bench 50 $(MAKE) --no-print-directory bench BENCHTIME=1x
	@$(STAGE) test 270 $(MAKE) --no-print-directory test
	@$(STAGE) simulate 70 $(MAKE) --no-print-directory simulate HOURS=2 SEED=1
	@$(STAGE) integration 590 $(MAKE) --no-print-directory integration
	@$(STAGE) faults-quick 140 $(MAKE) --no-print-directory faults-quick
	@[ -z "$(PREVIOUS)" ] || $(STAGE) mixed 45 $(MAKE) --no-print-directory mixed
	@echo "==> all stages passed:" && cat bin/stages
