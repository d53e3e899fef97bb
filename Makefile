# What one does with this repository. `make run` is the quickest way to see it work.

SWIFT ?= swift
SEEDS ?= 1000

.PHONY: build run test simulate bench format lint clean deps
.DEFAULT_GOAL := build

## The executable, optimized: .build/release/kv
build: deps
	$(SWIFT) build -c release --product kv

## Three nodes on this machine, until Ctrl-C
run: build
	@examples/three-nodes/run.sh

test: deps
	$(SWIFT) build
	$(SWIFT) test --disable-swift-testing

## As many random schedules of faults, from seed 1 up: make simulate SEEDS=10000
simulate: deps
	$(SWIFT) run -c release simulate --seeds $(SEEDS)

## kv beside Redis, etcd and a bare NIOHTTP1; ten minutes, best on a machine that does nothing else: make bench ROWS=get-etcd
bench: build
	$(SWIFT) build -c release --product barehttp
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
