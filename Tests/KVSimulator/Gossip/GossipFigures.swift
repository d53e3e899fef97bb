import Foundation
import KVCore

/// How fast news spread in one simulated network. Times are in protocol periods, and nil if the event did not happen.
package struct GossipFigures: Sendable {
    package let nodes: Int
    /// From a change of the topology until all members have it.
    package let epoch: Double?
    /// From a node's death until the first member suspects it.
    package let detection: Double?
    /// From the first suspicion until all members suspect the node.
    package let suspicion: Double?
    /// From a node's death until the first member holds it dead.
    package let verdict: Double?
    /// From then until all members hold it dead.
    package let death: Double?
    /// Bytes that a node sends per period when there is no news.
    package let quietBytes: Double
    /// Bytes that a node sends per period from a node's death until all members know of it.
    package let busyBytes: Double
    package let falseSuspicions: Int
    package let falseDeaths: Int

    /// The number of periods in which news reach all nodes, by the theory of epidemics on which SWIM rests.
    ///
    /// If each informed node makes b contacts per period, then `n / (1 + n exp(-b t))` nodes are informed after t
    /// periods. Half of them are informed after `ln n / b`, and the last one after twice that.
    package static func predicted(nodes: Int, options: SwimOptions) -> Double {
        let period = Double(options.probeInterval.nanoseconds)
        let gossip = Double(options.gossipFanOut) * period / Double(max(options.gossipInterval.nanoseconds, 1))
        // A probe's ping and its ack both carry news.
        let contacts = gossip + 2 * Double(options.probesPerInterval)
        return 2 * log(Double(nodes)) / contacts
    }

    /// Measures a scenario: lets the network settle for 30 periods, then changes the topology, then kills a node.
    package static func measure(_ scenario: GossipScenario) -> GossipFigures {
        var network = GossipNetwork(scenario)
        let period = Double(max(scenario.options.probeInterval.milliseconds, 1))
        let settling = UInt64(30 * period)
        let limit = UInt64(100 * period)
        network.run(milliseconds: settling)
        let start = network.time
        network.resetTraffic()
        network.run(milliseconds: UInt64(5 * period))
        let quiet = bytesPerNode(network, since: start, period)

        let changed = network.time
        network.changeTopology(at: NodeNumber(1))
        let informed = network.run(atMost: limit) { $0.informed == $0.running }
        network.run(milliseconds: settling)

        let victim = NodeNumber(UInt16(scenario.nodes))
        let killed = network.time
        network.kill(victim)
        network.resetTraffic()
        let suspected = network.run(atMost: limit) { $0.suspecting(of: victim) > 0 }
        let doubted = network.run(atMost: limit) { $0.suspecting(of: victim) == $0.running }
        let died = network.run(atMost: limit) { $0.holdingDead(of: victim) > 0 }
        let mourned = network.run(atMost: limit) { $0.holdingDead(of: victim) == $0.running }
        let busy = bytesPerNode(network, since: killed, period)
        func periods(_ from: UInt64?, _ to: UInt64?) -> Double? {
            guard let from, let to else { return nil }
            return Double(to - from) / period
        }
        return GossipFigures(
            nodes: scenario.nodes, epoch: periods(changed, informed), detection: periods(killed, suspected),
            suspicion: periods(suspected, doubted), verdict: periods(killed, died), death: periods(died, mourned),
            quietBytes: quiet, busyBytes: busy, falseSuspicions: network.falseSuspicions,
            falseDeaths: network.falseDeaths)
    }

    private static func bytesPerNode(_ network: GossipNetwork, since start: UInt64, _ period: Double) -> Double {
        let periods = Double(network.time - start) / period
        return periods == 0 ? 0 : Double(network.bytes) / Double(network.running) / periods
    }
}
