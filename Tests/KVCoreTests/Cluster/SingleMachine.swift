import KVCore
import XCTest

/// One cluster machine that the test drives. The test plays its neighbours.
struct SingleMachine {
    var machine: ClusterMachine
    var now = Now(monotonic: Instant(nanoseconds: 1_000_000_000), wall: 0)
    let table = TopologyTable()
    let first: Topology

    /// A machine of member `me` in a cluster of so many members.
    init(
        members: Int = 3, me: Int = 1, addresses: NodeAddresses? = nil, options: ClusterOptions = ClusterOptions()
    ) {
        first = .initial(
            clusterID: UUID128(high: 7, low: 7),
            settings: ClusterSettings(name: "test", partitions: 16, replicas: 3),
            members: (1...members).map { Member($0) })
        machine = ClusterMachine(
            me: NodeNumber(UInt16(me)), boot: 1, store: UUID128(high: 1, low: UInt64(me)),
            addresses: addresses, topology: first, options: options, coding: table.coding, seed: 1, now: now)
    }

    /// Gives the machine an input.
    /// - Returns: The effects that it asks for.
    mutating func give(_ input: ClusterInput) -> [ClusterEffect] {
        machine.handle(input, now: now)
        defer { machine.effects = [] }
        return machine.effects
    }

    mutating func give(_ node: Int, _ message: ClusterMessage) -> [ClusterEffect] {
        give(.message(from: NodeNumber(UInt16(node)), message))
    }

    mutating func wait(_ milliseconds: UInt64) -> [ClusterEffect] {
        now.monotonic = now.monotonic + .milliseconds(milliseconds)
        return give(.timer)
    }

    /// A later topology in which nothing else has changed.
    func later(_ epoch: Epoch) -> Topology {
        var topology = first
        topology.epoch = epoch
        return topology
    }
}

extension [ClusterEffect] {
    /// The messages that are sent, with their receivers.
    var sent: [Sent] {
        compactMap { if case .send(let to, let message) = $0 { Sent(to: Int(to.raw), message: message) } else { nil } }
    }

    var persisted: [Epoch] { compactMap { if case .persist(let topology, _) = $0 { topology.epoch } else { nil } } }

    /// What is written of topologies; nil for whole ones.
    var persistedChanges: [[TopologyChange]?] {
        compactMap { if case .persist(_, let changes) = $0 { .some(changes) } else { nil } }
    }

    var adopted: [Epoch] { compactMap { if case .adopt(let topology) = $0 { topology.epoch } else { nil } } }

    var answers: [ControlReply] { compactMap { if case .answer(_, let reply) = $0 { reply } else { nil } } }

    var notices: [ClusterNotice] { compactMap { if case .notice(let notice) = $0 { notice } else { nil } } }

    var requests: [(id: UInt64, command: Command)] {
        compactMap { if case .request(let id, let command) = $0 { (id, command) } else { nil } }
    }
}

struct Sent: Equatable {
    var to: Int
    var message: ClusterMessage
}
