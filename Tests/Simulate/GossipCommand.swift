import Foundation
import KVCore
import KVSimulator

/// The command `simulate --gossip N`: measures how fast news spread among failure detectors, and prints the prediction
/// of theory beside it.
enum GossipCommand {
    /// Measures clusters of 3, 10, 100... nodes, and of `nodes` last.
    static func run(upTo nodes: Int, seed: UInt64) {
        var sizes = [3, 10, 100, 1000, 10_000].filter { $0 < nodes }
        sizes.append(nodes)
        let options = SwimOptions()
        print("protocol period \(options.probeInterval.milliseconds) ms, seed \(seed); times in periods:")
        print("  epoch      from a new topology at one node until all have it (fetching it takes 10 ms)")
        print("  suspicion  from the first suspicion of a killed node until all suspect it")
        print("  death      from the first who holds it dead until all do")
        print("  log        2 ln(nodes) / contacts a period: the prediction for each of these")
        print("  noticed    from the kill until the first suspicion; dead: until the first holds it dead")
        print("bytes: sent by a node in a period, quiet and between kill and death; without IP's and UDP's headers")
        print(
            line(["nodes", "loss", "epoch", "suspicion", "death", "log", "noticed", "dead", "quiet", "busy", "false"]))
        for size in sizes {
            for loss in [0, 0.1] {
                var scenario = GossipScenario(nodes: size, seed: seed)
                scenario.loss = loss
                let figures = GossipFigures.measure(scenario)
                let log = GossipFigures.predicted(nodes: size, options: options)
                print(
                    line(
                        ["\(size)", String(format: "%.0f%%", loss * 100)]
                            + [
                                figures.epoch, figures.suspicion, figures.death, log, figures.detection,
                                figures.verdict,
                            ]
                            .map { $0.map { String(format: "%.2f", $0) } ?? "never" }
                            + [figures.quietBytes, figures.busyBytes].map { String(format: "%.0f", $0) }
                            + ["\(figures.falseSuspicions)/\(figures.falseDeaths)"]))
                fflush(nil)
            }
        }
        print("false: suspicions and deaths of nodes that ran, as all the others held them, together")
    }

    private static func line(_ cells: [String]) -> String {
        cells.map { String(repeating: " ", count: max(10 - $0.count, 1)) + $0 }.joined()
    }
}
