import Foundation
import KVCore
import XCTest

/// Tests random schedules: leaders change at any time, nodes die and come back, messages are lost and duplicated, and
/// outcomes stay unknown. Every epoch is checked against the one before (`TopologyHistory`). In the end all nodes have
/// the same topology, and it is balanced.
final class MembershipChaosTests: XCTestCase {
    func testEveryScheduleEndsWithOneTopology() {
        var (epochs, plans, cancelled, unknown) = (0, 0, 0, 0)
        // KV_SEEDS=FIRST-LAST tries others.
        let asked = ProcessInfo.processInfo.environment["KV_SEEDS"]?.split(separator: "-").compactMap { UInt64($0) }
        let seeds = asked.flatMap { $0.count == 2 && $0[0] <= $0[1] ? $0[0]...$0[1] : nil } ?? 1...40
        for seed in seeds {
            let schedule = Schedule(seed: seed)
            schedule.run()
            let history = schedule.world.history.all
            epochs += history.count
            plans += Set(history.compactMap { $0.plan?.id }).count
            cancelled += Set(history.compactMap { $0.plan?.isCancelling == true ? $0.plan?.id : nil }).count
            unknown += schedule.world.answers.values.count { $0 == .unknown }
        }
        guard seeds.count >= 40 else { return }
        // They are worth something only if much happens in them.
        XCTAssertGreaterThan(epochs, 500)
        XCTAssertGreaterThan(plans, 80)
        XCTAssertGreaterThan(cancelled, 15)
        XCTAssertGreaterThan(unknown, 30)
    }

    private final class Schedule {
        let world: MembershipWorld
        var random: SplitMix
        var asked: [(id: RequestID, node: NodeNumber)] = []
        var named = 10

        init(seed: UInt64) {
            random = SplitMix(seed: seed &* 7919)
            var options = ClusterOptions()
            options.maximumMoves = Int.random(in: 2...16, using: &random)
            options.maximumSmallMoves = options.maximumMoves * Int.random(in: 1...4, using: &random)
            options.evictAfter = .milliseconds(UInt64.random(in: 4...60, using: &random) * 1000)
            world = MembershipWorld(
                Int.random(in: 1...6, using: &random), partitions: 16, replicas: Int.random(in: 1...3, using: &random),
                zones: Int.random(in: 0...3, using: &random), seed: seed, options: options)
            world.history.note = { "seed \(seed)" }
            world.loss = [0, 0.05, 0.3].randomElement(using: &random) ?? 0
            world.doubt = [0, 0.1, 0.5].randomElement(using: &random) ?? 0
            world.delay = 1...(UInt64.random(in: 1...20, using: &random))
        }

        func run() {
            for _ in 0..<Int.random(in: 10...60, using: &random) {
                act()
                world.run(.milliseconds(10 * UInt64.random(in: 1...150, using: &random)))
            }
            world.loss = 0
            world.doubt = 0
            for number in world.down.keys.sorted() { world.restart(Int(number.raw)) }
            world.run(.milliseconds(8000))
            if world.history.last.plan?.isPaused == true { ask(.resume) }
            world.run(.milliseconds(5000))
            world.rest()
            world.run(.milliseconds(5000))
            // Pending nodes that admit themselves may still come in, each once.
            for _ in 10..<named where !world.isAtRest {
                world.rest()
                world.run(.milliseconds(5000))
            }
            XCTAssertTrue(world.isAtRest, "\(world.history.note()): \(world.state)")
            // Where somebody was dead when a plan ended, the next one balances what others took for it.
            world.apply("last")
            world.run(.milliseconds(3000))
            _ = world.reply(Int(world.history.last.members[0].number.raw), world.change(joins: ["last"]))
            world.rest()
            world.checkPlaced()
            XCTAssertEqual(waiting, [], world.history.note())
        }

        /// Questions without an answer. Those who asked a node that has been removed go without.
        private var waiting: [RequestID] {
            asked.filter { world.answers[$0.id] == nil && world.nodes[$0.node] != nil }.map(\.id)
        }

        private func ask(_ request: ControlRequest) {
            guard let node = world.nodes.keys.sorted().randomElement(using: &random) else { return }
            asked.append((world.ask(Int(node.raw), request), node))
        }

        private func act() {
            let members = world.history.last.members
            let member = members.randomElement(using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1:
                named += 1
                world.apply(
                    "m\(named)", weight: Int.random(in: 1...3, using: &random),
                    zone: ["", "z0", "z1"].randomElement(using: &random) ?? "",
                    admitsItself: Bool.random(using: &random))
            case 2, 3:
                let joins = world.joiningNodes.values.map(\.pendingNode.id).sorted()
                let leaves = members.count > 2 && Bool.random(using: &random) ? [member?.id ?? ""] : []
                ask(world.change(joins: joins, leaves: leaves))
            case 4: ask(world.change(leaves: [member?.id ?? ""], isForced: Bool.random(using: &random)))
            case 5: ask(.pause)
            case 6: ask(.resume)
            case 7: ask(.cancel)
            case 8, 9: world.switchLeader()
            case 10: kill(member)
            default:
                if let number = world.down.keys.sorted().randomElement(using: &random) {
                    world.restart(Int(number.raw))
                }
            }
        }

        /// When nobody waits for an answer: it would die with the node. Now and then two at once, and more than the
        /// replica sets can spare.
        private func kill(_ member: Member?) {
            if Int.random(in: 0..<4, using: &random) == 0 {
                world.run(until: { waiting.isEmpty })
                for number in world.nodes.keys.sorted().shuffled(using: &random).prefix(2) where world.nodes.count > 1 {
                    world.kill(Int(number.raw))
                }
                return
            }
            guard let member, world.nodes[member.number] != nil else { return }
            let topology = world.history.last
            let alive = Set(world.nodes.keys).subtracting([member.number])
            let places = topology.assignments + [topology.metadataQuorum]
            let sets =
                places.map(\.replicas) + places.compactMap(\.next) + (topology.plan?.targets.map(\.replicas) ?? [])
            guard sets.allSatisfy({ set in set.count { alive.contains($0) } > set.count / 2 }) else { return }
            world.run(until: { waiting.isEmpty })
            if world.nodes[member.number] != nil { world.kill(Int(member.number.raw)) }
        }
    }
}
