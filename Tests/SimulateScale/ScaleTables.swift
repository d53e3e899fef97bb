import Foundation
import KVScaleSimulator

/// Prints figures as tables.
enum ScaleTables {
    static func print(_ figures: ScaleFigures) {
        let what =
            switch figures.phase {
            case .idle: "in a second"
            case .join, .death: "in all"
            case .restart: "in one restart"
            }
        Swift.print(
            "\n\(figures.phase.rawValue), \(figures.nodes) nodes, \(figures.partitions) partitions: "
                + "\(number(figures.seconds)) s, \(figures.epochs) epochs; \(what), by node, median and maximum:")
        Swift.print(line(["", "sent", "", "received", "", "bytes sent", "", "received", ""]))
        for row in figures.rows {
            let spreads = [row.sent, row.received, row.bytesSent, row.bytesReceived]
            Swift.print(line([row.kind.name] + spreads.flatMap { [number($0.median), number($0.maximum)] }))
        }
        Swift.print(line(["packets", number(figures.packets.median), number(figures.packets.maximum)]))
        let bytes = [figures.bytesSent, figures.bytesReceived].flatMap { [number($0.median), number($0.maximum)] }
        Swift.print(line(["all bytes", "", "", "", ""] + bytes))
        if let recovery = figures.recovery {
            Swift.print(
                "\(recovery.replicas) replicas copied by \(recovery.senders) nodes, at most \(recovery.mostSent) by one, "
                    + "to \(recovery.receivers), at most \(recovery.mostGot) to one; "
                    + "\(recovery.holders) nodes had other replicas of the same partitions")
        }
        Swift.print("work of a node, on average: steps, and microseconds of a processor")
        for row in figures.work { Swift.print(line([row.name, number(row.steps), number(row.microseconds)])) }
        Swift.print(
            line(["processor", number(figures.microseconds.median), number(figures.microseconds.maximum)])
                + "  median and maximum")
    }

    /// Prints what the node in the middle sends, and the most that one sends, by the number of nodes.
    static func printGrowth(_ all: [ScaleFigures]) {
        for phase in ScalePhase.allCases {
            let figures = all.filter { $0.phase == phase }
            guard !figures.isEmpty else { continue }
            Swift.print("\n\(phase.rawValue): messages sent by a node, median/maximum, by the number of nodes")
            Swift.print(line([""] + figures.map { "\($0.nodes)" }, width: 16))
            for kind in MessageKind.allCases {
                let cells = figures.map { pair($0.row(kind)?.sent) }
                if cells.contains(where: { $0 != "0/0" }) { Swift.print(line([kind.name] + cells, width: 16)) }
            }
            Swift.print(line(["packets"] + figures.map { pair($0.packets) }, width: 16))
            Swift.print(line(["bytes"] + figures.map { pair($0.bytesSent) }, width: 16))
            Swift.print(line(["bytes received"] + figures.map { pair($0.bytesReceived) }, width: 16))
            Swift.print(line(["processor, us"] + figures.map { pair($0.microseconds) }, width: 16))
        }
    }

    private static func pair(_ spread: Spread?) -> String { pair((spread?.median ?? 0, spread?.maximum ?? 0)) }

    private static func pair(_ pair: (Double, Double)) -> String { "\(number(pair.0))/\(number(pair.1))" }

    /// With a digit after the point below 100.
    private static func number(_ value: Double) -> String {
        value == value.rounded() || value >= 100 ? String(format: "%.0f", value) : String(format: "%.1f", value)
    }

    private static func line(_ cells: [String], width: Int = 11) -> String {
        guard let first = cells.first else { return "" }
        let rest = cells.dropFirst().map { String(repeating: " ", count: max(width - $0.count, 1)) + $0 }
        return first.padding(toLength: 15, withPad: " ", startingAt: 0) + rest.joined()
    }
}

extension MessageKind {
    fileprivate var name: String { "\(self)" }
}
