import Foundation
import KVCore

/// How news spread in one simulated network, in protocol periods.
package struct GossipFigures: Sendable {
    package let nodes: Int
    /// From a change of the topology until all members have it.
    package let epoch: Double?
    /// From a node's death until the first suspects it, and from there until all do.
    package let detection: Double?
    package let suspicion: Double?
    /// From a node's death until the first holds it dead, and from there until all do.
    package let verdict: Double?
    package let death: Double?
    /// Sent by one node in a period, with nothing to tell and from the death until all know.
    package let quietBytes: Double
    package let busyBytes: Double
    package let falseSuspicions: Int
    package let falseDeaths: Int

    /// Periods in which news reach all of so many nodes, by the theory of epidemics that SWIM rests on.
    ///
    /// Where each one who knows makes b contacts a period, `n / (1 + n exp(-b t))` know after t periods: `ln n / b` to
    /// the half, and as long again to the last one.
    package static func predicted(nodes: Int, options: SwimOptions) -> Double {
        let period = Double(options.probeInterval.nanoseconds)
        let gossip = Double(options.gossipFanOut) * period / Double(max(options.gossipInterval.nanoseconds, 1))
        // A probe's ping and its ack both carry news.
        let contacts = gossip + 2 * Double(options.probesPerInterval)
        return 2 * log(Double(nodes)) / contacts
    }

    /// Half a minute for the start to be told, then the two changes, one after the other.
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
        let suspected = network.run(atMost: limit) { $0.doubters(of: victim) > 0 }
        let doubted = network.run(atMost: limit) { $0.doubters(of: victim) == $0.running }
        let died = network.run(atMost: limit) { $0.mourners(of: victim) > 0 }
        let mourned = network.run(atMost: limit) { $0.mourners(of: victim) == $0.running }
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
