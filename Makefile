# The default target lists what there is.
.DEFAULT_GOAL := help
.PHONY: help build demo cluster test race check format vet generate generated lint fuzz fuzzed bench explore worlds jepsen reopen clean

FUZZTIME ?= 30s
CHECKS ?= 1000
# Which random histories the race target draws: the same each time, so that what fails
# is the change (ADR 16). The explore target draws others.
SEED ?= 1

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

build: ## build bin/acquired
	go build -o bin/acquired ./cmd/acquired

demo: build ## one node, some accounts, a transfer, a log charged: see it work
	sh cmd/acquired/demo.sh bin/acquired

cluster: build ## three agents on loopback, to play with; ends with ctrl-C
	sh cmd/acquired/cluster.sh bin/acquired

test: ## run the tests
	go test ./...

race: export RAPID_SEED = $(SEED)
race: export ACQUIRED_SEED = $(SEED)
race: ## run the tests with the race detector, in random order
	go test -race -shuffle=on -timeout 20m $$(go list ./... | grep -v /jepsen)
	go test -race -shuffle=on -timeout 20m ./jepsen/...

check: format vet generated race fuzzed ## everything that CI checks

format: ## fail if a file is not formatted
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }

vet: ## vet and staticcheck
	go vet ./...
	go tool staticcheck ./...

generate: ## make the Go code of the protobuf sources
	cd proto && go run ./generate

generated: generate ## fail if the committed generated code is not up to date
	git diff --exit-code -- proto

lint: vet ## the same as vet

fuzzed: ## fuzz what reads money for a short time
	sh .ci/fuzz 5s ./fsm/ledger ./cmd/acquired/swf ./cmd/acquired/journal

fuzz: ## fuzz each target for FUZZTIME
	sh .ci/fuzz $(FUZZTIME)

bench: ## benchmarks
	go test -run '^$$' -bench . -benchmem ./...

explore: ## the tests on CHECKS random histories each, others every time
	RAPID_CHECKS=$(CHECKS) go test -count 1 -timeout 120m $$(go list ./... | grep -v /jepsen)

worlds: ## the access evaluator against its reference, on 10 million questions
	ACQUIRED_LONG=1 go test -timeout 60m -v -run 'TestAgreesWithTheReference|TestWhatIsHidden' ./fsm/acl

jepsen: ## the long profile of the fault tests
	ACQUIRED_LONG=1 go test -timeout 120m -v ./jepsen/...

reopen: ## time and memory of reopening a node with 10 million transfers
	go test -run '^TestReopen$$' -timeout 60m -v ./jepsen -args -reopen 1000000,10000000

clean: ## remove what was built
	rm -rf bin cluster
