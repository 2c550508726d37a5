# fastproxy. Plain `make` lists what there is; only Go is needed to build.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory

REALWORLD := fastproxy/testdata/realworld
FUZZTIME  ?= 20s
FLOOD     ?=
BENCHTIME ?= 1s
BENCH     ?= .
# For `make test`: -v, -run …, -short …
TESTFLAGS ?=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/fastproxy, bin/sspasswd and bin/fastbench: static, nothing of this machine in them
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

.PHONY: run
run: build ## with a .env here: serve; without one: the demo, which needs nothing
	@if [ -f .env ]; then exec bin/fastproxy serve; else exec bin/fastproxy demo; fi

.PHONY: test
test: tools vet ## everything: go vet, gofmt, all tests with -race, the real-world suite; as root installs what that needs
	@if command -v gcc >/dev/null && echo 'int main(void){return 0;}' | gcc -x c -o /dev/null - 2>/dev/null; then \
		export CGO_ENABLED=1; race=-race; \
	else \
		echo '--> no C compiler: the tests run WITHOUT the race detector'; race=; \
	fi; \
	go test $$race -count=1 -timeout 20m $(TESTFLAGS) ./...; \
	echo '--> what the race detector keeps from being seen: allocations, and what idle tunnels hold'; \
	go test -count=1 -timeout 5m -run 'AllocatesNothing|Conforms//AllocatesNothing|Conforms//HoldsNoBuffer|IdleTunnel' $(TESTFLAGS) ./fastproxy/... ./cache ./jwks; \
	echo '--> the front door once more, on the portable engine'; \
	FASTPROXY_TEST_ENGINE=portable go test $$race -short -count=1 -timeout 10m $(TESTFLAGS) ./fastproxy

.PHONY: vet
vet: ## go vet, and every file as gofmt writes it
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt'ed (make fmt):"; echo "$$unformatted"; exit 1; fi
	go vet ./...

# Debian's packages, each with the program or file that shows it is there. Asked
# for only when something is missing, so that a second run costs nothing.
.PHONY: tools
tools: ## what the real-world suite needs: R Shiny, Chromium, nginx, gcc, node (apt, as root) and two npm packages
	@missing=(); \
	lacks() { missing+=("$$@"); }; \
	command -v gcc >/dev/null || lacks gcc; \
	[ -e /usr/include/stdio.h ] || lacks libc6-dev; \
	command -v Rscript >/dev/null && [ -d /usr/lib/R/site-library/shiny ] || lacks r-cran-shiny; \
	command -v chromium >/dev/null || lacks chromium; \
	[ -d /usr/share/fonts/truetype/dejavu ] || lacks fonts-dejavu-core; \
	[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || lacks nginx; \
	command -v node >/dev/null || lacks nodejs; \
	command -v npm >/dev/null || lacks npm; \
	if [ $${#missing[@]} -gt 0 ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "--> installing $${missing[*]}"; \
			export DEBIAN_FRONTEND=noninteractive; \
			apt-get update -qq </dev/null; \
			apt-get install -y -qq --no-install-recommends "$${missing[@]}" </dev/null >/dev/null; \
		else \
			echo "--> missing: $${missing[*]}; the tests that need them are SKIPPED (make test as root on Debian installs them)"; \
		fi; \
	fi
	@if command -v npm >/dev/null; then $(MAKE) -s $(REALWORLD)/node_modules/.ready || echo '--> npm ci failed; the tests in a browser are SKIPPED'; \
	else echo '--> no npm; the tests in a browser are SKIPPED'; fi

# Debian 12's own node is too old for the two packages; then a newer one comes
# the way they do, for this folder only.
NODE := 20.20.2
$(REALWORLD)/node_modules/.ready: $(REALWORLD)/package-lock.json
	echo '--> npm ci in $(REALWORLD)'
	cd $(REALWORLD) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	if [ "$$(node --version | sed 's/^v//; s/[.].*//')" -lt 20 ]; then \
		arch=$$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/'); \
		echo "--> node $(NODE) for $(REALWORLD)"; \
		cd $(REALWORLD) && npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error node-linux-$$arch@$(NODE); \
	fi
	touch $@

.PHONY: attack
attack: tools ## the attack suite alone: fastproxy/attack_*_test.go, the canary, panics and shortages (a part of make test); FLOOD=1m keeps each flood up for so long
	@names=$$({ grep -ho '^func Test[A-Za-z0-9_]*' fastproxy/attack_*_test.go fastproxy/canary_test.go fastproxy/chaos_test.go fastproxy/shortage_test.go; \
		grep -ho '^func TestPanic[A-Za-z0-9_]*' fastproxy/*_test.go; } | sed 's/^func //' | paste -sd '|'); \
	FLOOD=$(FLOOD) go test -count=1 -timeout 60m -run "^($$names)$$" $(TESTFLAGS) ./fastproxy

.PHONY: bench
bench: ## Go benchmarks (BENCH=regexp BENCHTIME=1s)
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

# nginx and HAProxy are asked for only when they are missing. PEERS is for
# fastbench compare: PEERS='--rounds 1 --scenario http-1k'.
.PHONY: bench-peers
bench-peers: build ## fastproxy, nginx, HAProxy and a bare Go proxy under the same loads, and the gates, into bench/results/ (apt, as root; 25 minutes)
	@missing=(); \
	for program in nginx haproxy; do command -v $$program >/dev/null || [ -x /usr/sbin/$$program ] || missing+=($$program); done; \
	if [ $${#missing[@]} -gt 0 ]; then \
		echo "--> installing $${missing[*]}"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq </dev/null; \
		apt-get install -y -qq --no-install-recommends "$${missing[@]}" </dev/null >/dev/null; \
	fi
	CGO_ENABLED=0 go build -trimpath -o bin/peers ./bench/peers
	@mkdir -p bench/results
	pin=; if command -v taskset >/dev/null; then pin='taskset -c 0'; fi; \
	$$pin go test -run '^$$' -bench '^(BenchmarkRecallCookie|BenchmarkVerifyRS256)$$' -benchmem -count 5 ./fastproxy/gate ./jwks | tee bench/results/decisions.txt
	PATH="$(CURDIR)/bin:$$PATH:/usr/sbin" bin/fastbench compare bench/peers/plan.yml --benchmarks bench/results/decisions.txt \
		--table bench/results/peers.md --json bench/results/peers.json --report bench/results/peers.html $(PEERS)

SOAK ?= 10m
.PHONY: soak
soak: build ## 9,000 tunnels that die and come for SOAK (10m), requests beside them; then all is as before, or it fails
	CGO_ENABLED=0 go build -trimpath -o bin/peers ./bench/peers
	PATH="$(CURDIR)/bin:$$PATH" SOAK=$(SOAK) go test -count=1 -v -timeout 24h -run '^TestSoak$$' ./bench

# What was found worth keeping lies in testdata/fuzz beside each test, and is
# tried by every `go test`. A release wants make fuzz FUZZTIME=10m.
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (20s) each; ten minutes before a release
	@go list -f '{{$$d := .Dir}}{{range .TestGoFiles}}{{$$d}}/{{.}} {{end}}{{range .XTestGoFiles}}{{$$d}}/{{.}} {{end}}' ./... | tr ' ' '\n' | \
	{ xargs -r grep -Ho '^func Fuzz[A-Za-z0-9_]*' || true; } | { \
		found=0; \
		while IFS=: read -r file target; do \
			target=$${target#func }; \
			echo "--> $$target, $${file#$(CURDIR)/}"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x "$$(dirname "$$file")" </dev/null || found=$$((found+1)); \
		done; \
		if [ $$found -gt 0 ]; then echo "$$found fuzz targets failed; the input is beside the test, under testdata/fuzz/"; exit 1; fi; \
	}

.PHONY: screenshots
screenshots: tools ## every page, by day and by night, into fastproxy/testdata/realworld/screenshots/
	go test -count=1 -run '^TestRealWorld$$' $(TESTFLAGS) ./fastproxy
	@ls $(REALWORLD)/screenshots

.PHONY: fmt
fmt: ## gofmt -w
	gofmt -w .

.PHONY: clean
clean: ## what was built, downloaded and drawn
	rm -rf bin dist $(REALWORLD)/node_modules $(REALWORLD)/screenshots
