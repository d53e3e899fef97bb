# What one does with this repository. `make run` is the quickest way to see it work.

SHELL := /bin/bash
SWIFT ?= swift
SEEDS ?= 1000
SICKNESSES = dead hung hung-shard stalled-disk full-disk deaf deaf-to-streams mute no-datagrams slow-links flapping \
	half-cut wrong-clock
# What is optimized is also linked with Swift's library, over whose calls it spends less so, and leaves out the checks
# of exclusive access that the tests run with.
RELEASE = -c release --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked -Xswiftc -cross-module-optimization

# For `kv --version`: with a + where the work tree differs from the commit. Nothing where this is no repository.
CHANGED = $(shell git diff --quiet HEAD 2>/dev/null || [ $$? -ne 1 ] || echo +)
export KV_COMMIT ?= $(shell git rev-parse --short=10 HEAD 2>/dev/null)$(CHANGED)

.PHONY: build static deb deb-test deb-deps run test docs-test client-test simulate simulate-scale bench format lint clean deps
.DEFAULT_GOAL := build

## The executable, optimized: .build/release/kv
build: deps
	$(SWIFT) build $(RELEASE) --product kv

## The same without any shared library: .build-static/kv runs on every Linux of this processor, in an empty root too.
## Its symbols are in .build-static/kv.debug
static: deps
	@# The linker warns of what looks names up: such an executable does that without libraries (CProcess), so it is not
	@# shown.
	set -o pipefail; \
	$(SWIFT) build $(RELEASE) --scratch-path .build-static -Xswiftc -static-executable --product kv 2>&1 | \
	    sed -e '/in statically linked applications requires at runtime/d' -e '/the use of .mktemp. is dangerous/d'
	@packaging/strip .build-static/release/kv .build-static/kv

## A Debian package of that: .build-deb/kv_VERSION_ARCH.deb. KV_VERSION=0.3.1 make deb builds it as another version
deb: deb-deps static
	packaging/build-deb

deb-deps:
	@SWIFT="$(SWIFT)" .ci/deps debhelper dpkg-dev fakeroot

## The package as its users meet it: installed in a clean Debian, three nodes, a dead one, a rolling upgrade, removed.
## As root
deb-test: deb
	@SWIFT="$(SWIFT)" .ci/deps debootstrap lintian man-db python3 iproute2 procps binutils
	packaging/test-deb

## Three nodes on this machine, until Ctrl-C
run: build
	@examples/three-nodes/run.sh

test: deps
	$(SWIFT) build
	$(SWIFT) test --disable-swift-testing

## The commands that the documents show, against fresh nodes
docs-test: build
	@SWIFT="$(SWIFT)" .ci/deps curl procps python3 redis-tools
	Tests/docs/sessions.py --kv .build/release/kv

## Every call of the client library from a package of its own, against a fresh node
client-test: build
	@SWIFT="$(SWIFT)" .ci/deps curl python3
	SWIFT="$(SWIFT)" Tests/outside/run .build/release/kv

# The simulator is optimized and has assertions on. It is built apart, so that nothing else has them.
SIMULATOR = .build-simulate/release/simulate

## As many random schedules of faults, from seed 1 up: make simulate SEEDS=10000
simulate: deps
	$(SWIFT) build $(RELEASE) --scratch-path .build-simulate -Xswiftc -assert-config -Xswiftc Debug --product simulate
	$(SIMULATOR) --seeds $(SEEDS)
	for sickness in $(SICKNESSES); do \
		$(SIMULATOR) --seeds $$(($(SEEDS) / 10 + 1)) --sickness $$sickness || exit 1; \
	done
	for loss in one all; do $(SIMULATOR) --seeds $$(($(SEEDS) / 10 + 1)) --power $$loss || exit 1; done
	$(SIMULATOR) --seeds $$(($(SEEDS) / 10 + 1)) --cramped

## What a node of a large cluster sends, receives and does, in virtual time: make simulate-scale NODES="10 100 1000"
NODES ?= 10 30 100
simulate-scale: deps
	$(SWIFT) build $(RELEASE) --product simulate-scale
	.build/release/simulate-scale --nodes $(NODES)

## What kv does on this machine, best one that does nothing else. By default its speed beside Redis, etcd, ZooKeeper
## and a bare NIOHTTP1, held against Benchmarks/thresholds.json: 15 minutes. Or another suite of Benchmarks/run, with
## its options:
## make bench BENCH="speed --check get-etcd"; make bench BENCH="failure --rounds 3"; make bench BENCH=--help
BENCH ?= speed --check

bench: build
	$(if $(filter speed,$(BENCH)),SWIFT="$(SWIFT)" .ci/deps python3 redis-server etcd-server wrk libzookeeper-java \
	    default-jre-headless)
	$(if $(filter speed,$(BENCH)),$(SWIFT) build $(RELEASE) --package-path Benchmarks --product barehttp)
	$(if $(filter speed,$(BENCH)),$(SWIFT) build $(RELEASE) --package-path Benchmarks --product zkload)
	$(if $(filter scale,$(BENCH)),SWIFT="$(SWIFT)" .ci/deps python3 redis-server)
	$(if $(filter store,$(BENCH)),$(SWIFT) build $(RELEASE) --product storebench)
	Benchmarks/run $(BENCH)

format:
	$(SWIFT) format -i -r Package.swift Sources Tests examples \
	    $(addprefix Benchmarks/,Package.swift BareHTTP StoreBench ZKLoad)

## What no compiler sees: form, layers, sizes, dead code, links, scripts
lint:
	@SWIFT="$(SWIFT)" .ci/deps python3 pyflakes3 shellcheck
	SWIFT="$(SWIFT)" .ci/lint

## Leaves the data of `make run` (kv-data) alone
clean:
	$(SWIFT) package clean
	$(SWIFT) package --package-path Benchmarks clean

deps:
	@SWIFT="$(SWIFT)" .ci/deps
