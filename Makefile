# What one does with this repository. `make run` is the quickest way to see it work.

SWIFT ?= swift
SEEDS ?= 1000
# What is optimized is also linked with Swift's library, over whose calls it spends less so, and leaves out the checks of exclusive
# access that the tests run with.
RELEASE = -c release --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked -Xswiftc -cross-module-optimization

.PHONY: build static run test simulate bench format lint clean deps
.DEFAULT_GOAL := build

## The executable, optimized: .build/release/kv
build: deps
	$(SWIFT) build $(RELEASE) --product kv

## The same without any shared library: .build-static/release/kv runs on every Linux of this processor
static: deps
	$(SWIFT) build $(RELEASE) --scratch-path .build-static -Xswiftc -static-executable --product kv

## Three nodes on this machine, until Ctrl-C
run: build
	@examples/three-nodes/run.sh

test: deps
	$(SWIFT) build
	$(SWIFT) test --disable-swift-testing

## As many random schedules of faults, from seed 1 up: make simulate SEEDS=10000
simulate: deps
	$(SWIFT) build $(RELEASE) --product simulate
	.build/release/simulate --seeds $(SEEDS)

## kv beside Redis, etcd and a bare NIOHTTP1; ten minutes, best on a machine that does nothing else: make bench ROWS=get-etcd
bench: build
	$(SWIFT) build $(RELEASE) --product barehttp
	SWIFT="$(SWIFT)" Benchmarks/run $(ROWS)

format:
	$(SWIFT) format -i -r Package.swift Sources Tests examples

lint:
	$(SWIFT) format lint --strict -r Package.swift Sources Tests examples
	.ci/check-layers

## Leaves the data of `make run` (kv-data) alone
clean:
	$(SWIFT) package clean

deps:
	@SWIFT="$(SWIFT)" .ci/deps
