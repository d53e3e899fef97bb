import Foundation
import KVConfig
import KVCore
import KVWire
import XCTest

@testable import KVNode

final class DataDirectoryTests: XCTestCase {
    private let three = """
        cluster: {name: demo, partitions: 4}
        nodes:
          - {id: n1, client: "127.0.0.1:7401", peer: "127.0.0.1:7501"}
          - {id: n2, client: "127.0.0.1:7402", peer: "127.0.0.1:7502"}
          - {id: n3, client: "127.0.0.1:7403", peer: "127.0.0.1:7503"}
        """

    func testAClusterOfOneIsNamedAtRandomAndKeepsItsName() throws {
        let (one, two) = (try DirectoryFixture(), try DirectoryFixture())
        func cluster(_ fixture: DirectoryFixture) throws -> UUID128? {
            try DataDirectory.open(fixture.configuration()).topology?.clusterID
        }
        let first = try XCTUnwrap(cluster(one))
        XCTAssertEqual(try cluster(one), first)
        XCTAssertNotEqual(try cluster(two), first)
    }

    func testFirstMembersComeToTheSameTopology() throws {
        let (one, two) = (try DirectoryFixture(), try DirectoryFixture())
        let first = try DataDirectory.open(one.configuration(three) { $0.node = "n1" })
        let second = try DataDirectory.open(two.configuration(three) { $0.node = "n2" })
        XCTAssertNotNil(first.topology)
        XCTAssertEqual(first.topology, second.topology)
        XCTAssertNotEqual(first.store, second.store)
    }

    func testAPendingNodeBeginsWithNothingAndGoesByWhatIsPersisted() throws {
        let fixture = try DirectoryFixture()
        let configuration = try fixture.configuration {
            $0.node = "n4"
            $0.seeds = ["127.0.0.1:7501"]
        }
        var store = UUID128.unknown
        let admitted: Topology = try {
            let directory = try DataDirectory.open(configuration)
            XCTAssertNil(directory.topology)
            store = directory.store
            let topology = admitting(store)
            try directory.persist(topology)
            return topology
        }()
        let again = try DataDirectory.open(configuration)
        XCTAssertEqual(again.topology, admitted)
        XCTAssertEqual(again.store, store)
        XCTAssertEqual(try again.member(in: admitted, configuration).number, NodeNumber(4))
    }

    func testTheNodesOfTheFileBindUntilTheFirstChange() throws {
        let fixture = try DirectoryFixture()
        let fewer = three.split(separator: "\n").dropLast().joined(separator: "\n")
        try {
            let directory = try DataDirectory.open(fixture.configuration(three) { $0.node = "n1" })
            XCTAssertEqual(directory.topology?.epoch, 1)
        }()
        assertRefused(
            try fixture.configuration(fewer) { $0.node = "n1" }, saying: "was made with a configuration that said")
        try {
            let directory = try DataDirectory.open(fixture.configuration(three) { $0.node = "n1" })
            var topology = try XCTUnwrap(directory.topology)
            topology.epoch = 2
            topology.members[0].store = directory.store
            try directory.persist(topology)
        }()
        let directory = try DataDirectory.open(fixture.configuration(fewer) { $0.node = "n1" })
        XCTAssertEqual(directory.topology?.members.count, 3)
    }

    func testWhatMakesTheClusterIsBindingForever() throws {
        let fixture = try DirectoryFixture()
        try begin(fixture) { topology, store in
            topology.epoch = 2
            topology.members[0].store = store
        }
        assertRefused(
            try fixture.configuration(three.replacing("partitions: 4", with: "partitions: 8")) { $0.node = "n1" },
            saying: "is of a cluster with `cluster.partitions: 4`, where the configuration says `cluster.partitions: 8`"
        )
        assertRefused(
            try fixture.configuration(three.replacing("127.0.0.1:7501", with: "127.0.0.1:7999")) { $0.node = "n1" },
            saying: "looks for n1 at the peer address 127.0.0.1:7501, and this configuration says 127.0.0.1:7999")
    }

    func testARemovedNodeIsToldToBeginAgain() throws {
        let fixture = try DirectoryFixture()
        try begin(fixture) { topology, store in
            topology.epoch = 7
            topology.members.removeFirst()
            topology.removed = [RemovedMember(number: NodeNumber(1), id: "n1", store: store)]
            let rest = topology.members.map(\.number)
            topology.assignments = Assignments(topology.assignments.map { _ in Assignment(replicas: rest, changed: 7) })
            topology.metadataQuorum = Assignment(replicas: [rest[0]], changed: 7)
        }
        assertRefused(
            try fixture.configuration(three) { $0.node = "n1" },
            saying: "n1 was removed from the cluster demo, which does without its data; delete \(fixture.path)/data/n1")
    }

    func testTheFirstStoreSeenOfAPeerIsItsOwn() throws {
        let fixture = try DirectoryFixture()
        let configuration = try fixture.configuration(three) { $0.node = "n1" }
        let (own, other) = (UUID128(high: 0, low: 2), UUID128(high: 0, low: 22))
        try {
            let directory = try DataDirectory.open(configuration)
            let second = try XCTUnwrap(directory.topology?.member(named: "n2"))
            XCTAssertNil(directory.peers.objection(to: own, of: second))
        }()
        let directory = try DataDirectory.open(configuration)
        let second = try XCTUnwrap(directory.topology?.member(named: "n2"))
        XCTAssertNil(directory.peers.objection(to: own, of: second))
        XCTAssertNotNil(directory.peers.objection(to: other, of: second))
    }

    /// Versions before, which refuse what they do not know, are among the members of a cluster that one of them began.
    func testSyncIsToldWhereTheClusterKnowsOfIt() throws {
        let fixture = try DirectoryFixture()
        let configuration = try fixture.configuration(three) { $0.node = "n1" }
        var topology = try {
            let directory = try DataDirectory.open(configuration)
            let topology = try XCTUnwrap(directory.topology)
            XCTAssertTrue(directory.tellsSync(in: topology), "begun by this version")
            return topology
        }()
        let other = try DirectoryFixture()
        let pendingNode = try DataDirectory.open(
            other.configuration {
                $0.node = "n4"
                $0.seeds = ["127.0.0.1:7501"]
            })
        XCTAssertFalse(pendingNode.tellsSync(in: topology), "its cluster may have been begun by one before")
        topology.epoch = 2
        XCTAssertTrue(pendingNode.tellsSync(in: topology))
    }

    // MARK: Power

    /// Starts in one run of the kernel after another: whether copies may lack something at each.
    private func starts(_ runs: [(kernel: String, sync: String, ends: Bool)]) throws -> [Bool] {
        let fixture = try DirectoryFixture()
        return try runs.map { run in
            let configuration = try fixture.configuration(three + "\nstorage: {sync: \(run.sync)}\n") { $0.node = "n1" }
            let directory = try DataDirectory.open(configuration, kernel: KernelRun(id: run.kernel))
            if run.ends { try directory.noteStores() }
            return directory.mayLackRecords
        }
    }

    func testAnUncleanEndUnderAnotherKernelMayHaveLostRecords() throws {
        for sync in ["interval", "never"] {
            XCTAssertEqual(
                try starts([("a", sync, false), ("a", sync, false), ("b", sync, false), ("b", sync, false)]),
                [false, false, true, true], "the process dies, the machine does, and the process once more")
            XCTAssertEqual(
                try starts([("a", sync, true), ("b", sync, false)]), [false, false], "it ended in good order")
            XCTAssertEqual(
                try starts([("a", sync, false), ("b", "always", true), ("c", "always", true)]), [false, true, true],
                "the mode that it ran with counts, and until it has been repaired")
        }
        XCTAssertEqual(try starts([("a", "always", false), ("b", "interval", false)]), [false, false])
        XCTAssertEqual(
            try starts([(KernelRun.unknown, "never", false), (KernelRun.unknown, "never", false)]), [false, true],
            "nothing tells")
    }

    func testWhatHasBeenRepairedIsNotRepairedAgain() throws {
        let fixture = try DirectoryFixture()
        func open(_ kernel: String) throws -> DataDirectory {
            let yaml = three + "\nstorage: {sync: never, shards: 2}\n"
            return try DataDirectory.open(
                fixture.configuration(yaml) { $0.node = "n1" }, kernel: KernelRun(id: kernel))
        }
        func start(_ kernel: String, repairing shards: [Int]) throws -> (before: Bool, isNews: Bool) {
            let directory = try open(kernel)
            let news = try shards.map { try directory.noteComplete(shard: $0) }
            return (directory.mayLackRecords, news.last ?? false)
        }
        XCTAssertEqual(try start("a", repairing: [0, 1]).before, false)
        let half = try start("b", repairing: [0, 0])
        XCTAssertEqual(half.before, true)
        XCTAssertEqual(half.isNews, false, "one shard of two")
        let whole = try start("b", repairing: [1, 0])
        XCTAssertEqual(whole.before, true)
        XCTAssertEqual(whole.isNews, true)
        XCTAssertEqual(try start("b", repairing: []).before, false)
    }

    // MARK: What a peer's store has forgotten

    /// The introduction of n2 at its start number `boot`. Its store remembers these starts.
    private func second(_ boot: UInt64, starts: [UInt64: UInt64], store: UInt64 = 2) -> Introduction {
        policy(2) { policy in
            policy.introduction.store = UUID128(high: 0, low: store)
            policy.introduction.boot = boot
            policy.introduction.starts = starts.sorted { $0.key < $1.key }.map { ProcessStart(boot: $0, nonce: $1) }
        }.introduction
    }

    /// Opens n1's directory anew each time: what it has seen is on disk.
    private func objection(_ fixture: DirectoryFixture, to peer: Introduction) throws -> Objection? {
        try DataDirectory.open(fixture.configuration(three) { $0.node = "n1" }).peers.objection(toStartOf: peer)
    }

    func testWhatIsKnownOfAPeerNeedsNotBeWrittenDown() throws {
        let fixture = try DirectoryFixture()
        let peers = try DataDirectory.open(fixture.configuration(three) { $0.node = "n1" }).peers
        let peer = second(3, starts: [3: 33])
        XCTAssertFalse(peers.knows(peer))
        XCTAssertNil(peers.objection(toStartOf: peer))
        XCTAssertTrue(peers.knows(peer))
        XCTAssertFalse(peers.knows(second(4, starts: [3: 33, 4: 44])), "it has started anew")
        XCTAssertFalse(peers.knows(second(3, starts: [3: 33], store: 22)))
        XCTAssertTrue(peers.knows(second(2, starts: [2: 22])), "it is refused without a look at the disk")
    }

    func testAnOlderCopyOfAPeersStoreIsRefusedForEver() throws {
        let fixture = try DirectoryFixture()
        XCTAssertNil(try objection(fixture, to: second(3, starts: [3: 33])))
        XCTAssertNil(try objection(fixture, to: second(5, starts: [3: 33, 4: 44, 5: 55])))
        XCTAssertNil(try objection(fixture, to: second(5, starts: [3: 33, 4: 44, 5: 55])), "the same again")
        // It is put back to where it was after its third start, and started again and again.
        let older = try XCTUnwrap(objection(fixture, to: second(4, starts: [3: 33, 4: 404])))
        XCTAssertEqual(older.code, .outdatedStore)
        XCTAssertEqual(
            older.text,
            """
            the data directory of n2 is an older copy: it has been started 4 times, and n1 has seen it started 5 times; \
            it may have forgotten what it promised, so it cannot vote; use the newest copy of its data directory or, \
            where that is lost, start n2 with an empty one and --seed, and run `kv join n2 --replace n2`
            """)
        let same = try XCTUnwrap(objection(fixture, to: second(5, starts: [3: 33, 4: 404, 5: 505])))
        XCTAssertEqual(same.code, .outdatedStore)
        let later = try XCTUnwrap(objection(fixture, to: second(6, starts: [3: 33, 4: 404, 5: 505, 6: 606])))
        XCTAssertEqual(later.code, .outdatedStore)
        XCTAssertTrue(later.text.contains("its start number 5 is not the one that n1 has seen"), later.text)
        // The right one goes on.
        XCTAssertNil(try objection(fixture, to: second(6, starts: [3: 33, 4: 44, 5: 55, 6: 66])))
    }

    /// A snapshot of a running node's volume has the same starts as the node itself.
    func testACopyMadeWhileAPeerRanIsToldByHowFarItHadCome() throws {
        let fixture = try DirectoryFixture()
        func peers() throws -> KnownPeers {
            try DataDirectory.open(fixture.configuration(three) { $0.node = "n1" }).peers
        }
        func peer(_ boot: UInt64, _ starts: [UInt64: UInt64], _ progress: [UInt64], store: UInt64 = 2) -> Introduction {
            var peer = second(boot, starts: starts, store: store)
            peer.progress = progress
            return peer
        }
        try {
            let peers = try peers()
            peers.advanced(NodeNumber(2), shard: 0, to: 7)
            XCTAssertFalse(peers.hasProgressToKeep, "its store is not known")
            XCTAssertNil(peers.objection(toStartOf: peer(3, [3: 33], [5, 9])))
            peers.advanced(NodeNumber(2), shard: 1, to: 40)
            peers.advanced(NodeNumber(2), shard: 1, to: 39)
            peers.advanced(NodeNumber(2), shard: 70_000, to: 39)
            XCTAssertTrue(peers.beginKeepingProgress())
            XCTAssertFalse(peers.beginKeepingProgress(), "it is about to be")
            XCTAssertNil(peers.objection(toStartOf: peer(3, [3: 33], [5, 9])), "the same process, connecting anew")
            XCTAssertEqual(
                peers.objection(toStartOf: peer(4, [3: 33, 4: 44], [5, 39]))?.code, .outdatedStore, "not on disk yet")
            XCTAssertNil(peers.keepProgress())
            XCTAssertFalse(peers.hasProgressToKeep)
        }()
        let older = try XCTUnwrap(peers().objection(toStartOf: peer(4, [3: 33, 4: 44], [5, 39])))
        XCTAssertEqual(older.code, .outdatedStore)
        XCTAssertTrue(
            older.text.hasPrefix(
                """
                the data directory of n2 is an older copy, made while n2 ran: it has 39 batches in shard-1, and n1 has \
                seen 40 on its disk; it may have forgotten
                """), older.text)
        // There is no objection to a version that does not tell its progress, nor to another store.
        XCTAssertNil(try peers().objection(toStartOf: peer(1, [1: 11], [0, 0], store: 22)))
        let fresh = try DirectoryFixture()
        let others = try DataDirectory.open(fresh.configuration(three) { $0.node = "n1" }).peers
        XCTAssertNil(others.objection(toStartOf: peer(3, [3: 33], [5])))
        others.advanced(NodeNumber(2), shard: 0, to: 40)
        XCTAssertNil(others.objection(toStartOf: peer(4, [:], [])))
        XCTAssertNil(others.objection(toStartOf: peer(5, [3: 33, 5: 55], [40, 0])))
        XCTAssertNotNil(
            others.objection(toStartOf: peer(6, [5: 55, 6: 66], [39, 0])), "what it was seen to have counts on")
    }

    func testAPeerOfTheVersionBeforeSaysNoMoreThanItsBootCounter() throws {
        let fixture = try DirectoryFixture()
        XCTAssertNil(try objection(fixture, to: second(3, starts: [:])))
        XCTAssertEqual(try objection(fixture, to: second(2, starts: [:]))?.code, .outdatedStore)
        // It is upgraded, downgraded for a start, and upgraded again.
        XCTAssertNil(try objection(fixture, to: second(4, starts: [4: 44])))
        XCTAssertNil(try objection(fixture, to: second(5, starts: [:])))
        XCTAssertNil(try objection(fixture, to: second(6, starts: [4: 44, 6: 66])))
        XCTAssertEqual(try objection(fixture, to: second(6, starts: [4: 44, 6: 67]))?.code, .outdatedStore)
    }

    func testAnotherStoreOfANodeIsMetAsNew() throws {
        let fixture = try DirectoryFixture()
        XCTAssertNil(try objection(fixture, to: second(9, starts: [9: 99])))
        XCTAssertNil(
            try objection(fixture, to: second(1, starts: [1: 11], store: 22)), "the topology says whose turn it is")
        XCTAssertEqual(try objection(fixture, to: second(1, starts: [1: 12], store: 22))?.code, .outdatedStore)
    }

    func testAFirstMemberIsFoundingUntilItHasBeenLetIn() throws {
        let fixture = try DirectoryFixture()
        let configuration = try fixture.configuration(three) { $0.node = "n1" }
        XCTAssertTrue(try DataDirectory.open(configuration).isFounding)
        try {
            let directory = try DataDirectory.open(configuration)
            XCTAssertTrue(directory.isFounding, "it was never let in")
            try directory.endFounding()
            XCTAssertFalse(directory.isFounding)
        }()
        XCTAssertFalse(try DataDirectory.open(configuration).isFounding)
        XCTAssertFalse(try DataDirectory.open(DirectoryFixture().configuration()).isFounding, "a cluster of one")
    }

    func testAnIdentityFileOlderThanTheStoresIsRefused() throws {
        let fixture = try DirectoryFixture()
        let configuration = try fixture.configuration(three) { $0.node = "n1" }
        let identity = "\(fixture.path)/data/n1/identity"
        try begin(fixture) { topology, store in
            topology.epoch = 2
            topology.members[0].store = store
        }
        let old = try Data(contentsOf: URL(fileURLWithPath: identity))
        try begin(fixture) { topology, _ in topology.epoch = 3 }
        try {
            let directory = try DataDirectory.open(configuration)
            let store = directory.stores[0]
            store.wipe(PartitionID(0), membership: 3)
            let job = try XCTUnwrap(store.takeCommit())
            XCTAssertNil(store.completed(job.run()))
        }()
        XCTAssertNoThrow(try DataDirectory.open(configuration))
        // A version that did not keep manifests says as much by the epoch.
        try old.write(to: URL(fileURLWithPath: identity))
        assertRefused(configuration, saying: "\(identity) is an older copy than the data beside it")
    }

    // MARK: Helpers

    /// Starts n1 once, and leaves another topology for its next start.
    private func begin(_ fixture: DirectoryFixture, change: (inout Topology, UUID128) -> Void) throws {
        let directory = try DataDirectory.open(fixture.configuration(three) { $0.node = "n1" })
        var topology = try XCTUnwrap(directory.topology)
        change(&topology, directory.store)
        try directory.persist(topology)
    }

    private func admitting(_ store: UUID128) -> Topology {
        topology([1, 4], epoch: 5) { topology in
            topology.settings.name = "default"
            topology.members[1].store = store
            topology.members[1].client = Address(host: "127.0.0.1", port: 7400)
            topology.members[1].peer = Address(host: "127.0.0.1", port: 7500)
        }
    }

    private func assertRefused(
        _ configuration: @autoclosure () throws -> Configuration, saying text: String, file: StaticString = #filePath,
        line: UInt = #line
    ) {
        XCTAssertThrowsError(try DataDirectory.open(configuration()), file: file, line: line) { error in
            XCTAssertTrue("\(error)".contains(text), "\(error)", file: file, line: line)
        }
    }
}
