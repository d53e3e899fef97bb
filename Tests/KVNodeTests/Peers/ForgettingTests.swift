import KVCore
import KVSimulator
import KVStorage
import KVWire
import XCTest

@testable import KVNode

/// Tests three first members whose directories are wiped, restored, copied and hit by power losses in any order. A
/// naive model knows every start there ever was. No node may let in a store that has forgotten a start that the node
/// has seen.
final class ForgettingTests: XCTestCase {
    func testNobodyLetsInWhatHasForgottenAStartThatItHasSeen() {
        var figures = ForgettingRun.Figures()
        for seed in 1...60 as ClosedRange<UInt64> {
            let run = ForgettingRun(seed: seed)
            XCTAssertNoThrow(try run.run(), "seed \(seed)")
            XCTAssertEqual(run.mistakes, [], "seed \(seed)")
            figures.add(run.figures)
        }
        for (what, count) in figures.counts { XCTAssertGreaterThan(count, 100, what) }
    }

    /// The model notices what it is there to notice.
    func testEachWayToForgetIsNoticed() throws {
        for mutant in ForgettingRun.Mutant.allCases {
            let isCaught = try (1...20 as ClosedRange<UInt64>).contains { seed in
                let run = ForgettingRun(seed: seed, mutant: mutant)
                try run.run()
                return !run.mistakes.isEmpty
            }
            XCTAssertTrue(isCaught, "\(mutant)")
        }
    }
}

/// One random run.
private final class ForgettingRun {
    enum Mutant: CaseIterable {
        /// Starts are distinguished by their boot counter only.
        case countOnly
        /// A node forgets with its process what it has seen of others.
        case keepNothing
        /// Any store is accepted as a node's.
        case takeAnyStore
    }

    struct Figures {
        private(set) var met = 0
        private(set) var refusedStores = 0
        private(set) var refusedStarts = 0

        mutating func count(_ refusal: Refusal?) {
            switch refusal {
            case nil: met += 1
            case .store: refusedStores += 1
            case .start: refusedStarts += 1
            }
        }

        mutating func add(_ other: Self) {
            met += other.met
            refusedStores += other.refusedStores
            refusedStarts += other.refusedStarts
        }

        var counts: [(String, Int)] {
            [("met", met), ("stores refused", refusedStores), ("starts refused", refusedStarts)]
        }
    }

    enum Refusal { case store, start }

    /// The true history of a data directory.
    struct Truth {
        var store: UInt64
        /// The nonces of all its starts.
        var history: [UInt64] = []
        /// For each other member, the first store seen.
        var stores: [Int: UInt64] = [:]
        /// For each other member, the newest start seen.
        var starts: [Int: UInt64] = [:]

        /// The naive rule.
        func refusal(of node: Int, _ other: Truth) -> Refusal? {
            if let known = stores[node], known != other.store { return .store }
            guard let seen = starts[node] else { return nil }
            return other.history.contains(seen) ? nil : .start
        }

        mutating func letIn(_ node: Int, _ other: Truth) {
            stores[node] = other.store
            starts[node] = other.history.last
        }
    }

    final class Machine {
        let number: Int
        var disk: SimulatedDisk
        var truth: Truth
        var backup: (bytes: [UInt8], truth: Truth)?
        var process: (file: IdentityFile, peers: KnownPeers)?

        init(_ number: Int, _ disk: SimulatedDisk, _ truth: Truth) {
            self.number = number
            self.disk = disk
            self.truth = truth
        }
    }

    private static let path = "data/identity"
    private static let steps = 400
    private(set) var mistakes: [String] = []
    private(set) var figures = Figures()
    private let mutant: Mutant?
    private var random: SeededRandom
    private var machines: [Machine] = []
    private var lastNonce: UInt64 = 0
    private var lastStore: UInt64 = 0
    private let members = topology().members

    init(seed: UInt64, mutant: Mutant? = nil) {
        random = SeededRandom(seed: seed)
        self.mutant = mutant
        for number in 1...3 { machines.append(Machine(number, newDisk(), newTruth())) }
    }

    private func newDisk() -> SimulatedDisk { SimulatedDisk(seed: random.next()) }

    private func newTruth() -> Truth {
        lastStore += 1
        return Truth(store: lastStore)
    }

    func run() throws {
        for step in 0..<Self.steps where mistakes.isEmpty {
            let machine = random.pick(machines)
            switch random.weighted([20, 6, 3, 40, 6, 4, 2, 1]) {
            case 0: try start(machine)
            case 1: kill(machine, losingPower: false)
            case 2: kill(machine, losingPower: true)
            case 3: meet(machine, random.pick(machines), step)
            case 4: backUp(machine)
            case 5: restore(machine)
            case 6: wipe(machine)
            default: try copy(machine)
            }
        }
    }

    private func start(_ machine: Machine) throws {
        guard machine.process == nil else { return }
        lastNonce += 1
        let file = try IdentityFile(
            directory: "data", fileSystem: machine.disk, node: "n\(machine.number)", cluster: nil,
            newStore: UUID128(high: 1, low: machine.truth.store), newShards: 1, nonce: lastNonce)
        machine.truth.history.append(lastNonce)
        let remembered = mutant == .keepNothing ? [] : members
        machine.process = (file, KnownPeers(file, nodeID: "n\(machine.number)", members: remembered))
    }

    private func kill(_ machine: Machine, losingPower: Bool) {
        machine.process = nil
        if losingPower { machine.disk.losePower() } else { machine.disk.killProcess() }
    }

    private func backUp(_ machine: Machine) {
        guard let bytes = machine.disk.contents(Self.path) else { return }
        machine.backup = (bytes, machine.truth)
    }

    private func restore(_ machine: Machine) {
        guard machine.process == nil, let backup = machine.backup, machine.disk.contents(Self.path) != nil else {
            return
        }
        machine.disk.restore(Self.path, backup.bytes)
        machine.truth = backup.truth
    }

    private func wipe(_ machine: Machine) {
        guard machine.process == nil else { return }
        machine.disk = newDisk()
        machine.truth = newTruth()
    }

    /// On another machine, which may run beside the first.
    private func copy(_ machine: Machine) throws {
        guard machines.count < 5, let bytes = machine.disk.contents(Self.path) else { return }
        let copy = Machine(machine.number, newDisk(), machine.truth)
        try start(copy)
        kill(copy, losingPower: false)
        copy.disk.restore(Self.path, bytes)
        copy.truth = machine.truth
        machines.append(copy)
    }

    /// One connects to the other, and each applies its policy to what the other says of itself.
    private func meet(_ one: Machine, _ other: Machine, _ step: Int) {
        guard one.number != other.number, one.process != nil, other.process != nil else { return }
        if review(other, of: one, step) { _ = review(one, of: other, step) }
    }

    /// Returns whether the peer is let in.
    private func review(_ machine: Machine, of peer: Machine, _ step: Int) -> Bool {
        guard let process = machine.process, let introduction = introduction(of: peer) else { return false }
        let expected = machine.truth.refusal(of: peer.number, peer.truth)
        let policy = policy(UInt16(machine.number)) { policy in
            policy.storeObjection = { process.peers.objection(to: $1, of: $0) }
            if mutant == .takeAnyStore { policy.storeObjection = { _, _ in nil } }
            policy.startObjection = { process.peers.objection(toStartOf: $0) }
        }
        let objection = policy.objection(to: introduction)
        let found: Refusal? =
            switch objection?.code {
            case nil: nil
            case .otherStore: .store
            default: .start
            }
        figures.count(expected)
        if found != expected {
            mistakes.append(
                "step \(step): n\(machine.number) finds \(objection?.text ?? "nothing") about n\(peer.number), and "
                    + (expected.map { "it has forgotten: \($0)" } ?? "nothing is wrong with it"))
        }
        if expected == nil { machine.truth.letIn(peer.number, peer.truth) }
        return objection == nil
    }

    private func introduction(of machine: Machine) -> Introduction? {
        guard let file = machine.process?.file else { return nil }
        return policy(UInt16(machine.number)) { policy in
            policy.introduction.store = file.store
            policy.introduction.boot = file.boot
            policy.introduction.starts = mutant == .countOnly ? [] : file.starts
        }.introduction
    }
}
