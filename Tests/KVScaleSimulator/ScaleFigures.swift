import KVCore

/// What happens to a large cluster while its messages are counted.
package enum ScalePhase: String, CaseIterable, Sendable {
    /// Nothing.
    case idle
    /// A node joins and is given its share.
    case join
    /// A machine vanishes, and the others make new copies of what it held.
    case death
    /// Nodes are restarted one after the other. Figures are of one restart.
    case restart
}

/// The middle and the greatest of a figure of all nodes.
package struct Spread: Sendable {
    package let median: Double
    package let maximum: Double

    init(_ values: [Double]) {
        let sorted = values.sorted()
        median = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        maximum = sorted.last ?? 0
    }
}

/// What the nodes of a cluster did in a phase: in a second of an idle one, in the whole of another, in one restart.
package struct ScaleFigures: Sendable {
    package struct Row: Sendable {
        package let kind: MessageKind
        package let sent: Spread
        package let received: Spread
        package let bytesSent: Spread
        package let bytesReceived: Spread
    }

    package struct WorkRow: Sendable {
        package let name: String
        /// Of a node, on average.
        package let steps: Double
        package let microseconds: Double
    }

    package let phase: ScalePhase
    package let nodes: Int
    package let partitions: Int
    /// Virtual time from the beginning of the phase to its end; of one restart.
    package let seconds: Double
    /// The phase ended within its limit, and all was at rest again.
    package let isComplete: Bool
    /// The epochs of the topology that were made.
    package let epochs: Int
    /// Who copied what, after a machine has vanished.
    package let recovery: Recovery?
    /// The kinds of which there were messages.
    package let rows: [Row]
    /// Frames and datagrams sent.
    package let packets: Spread
    /// Bytes of all kinds.
    package let bytesSent: Spread
    package let bytesReceived: Spread
    package let work: [WorkRow]
    /// Processor time in microseconds, by node.
    package let microseconds: Spread

    package func row(_ kind: MessageKind) -> Row? { rows.first { $0.kind == kind } }

    /// The messages of all kinds that the node in the middle sent.
    package var messages: Double { rows.reduce(0) { $0 + $1.sent.median } }
}

/// What had been counted at some time.
struct ScaleMark {
    let time: UInt64
    let epoch: Epoch
    let traffic: Traffic
    let work: Work
}

extension ScaleWorld {
    func mark() -> ScaleMark {
        let epoch = nodes.lazy.compactMap { $0.process?.topology.epoch }.max() ?? 0
        return ScaleMark(time: time, epoch: epoch, traffic: traffic, work: work)
    }

    /// The figures of what has been counted since a mark.
    /// - Parameter parts: By what the figures are divided: the seconds, or the number of restarts.
    func figures(_ phase: ScalePhase, since mark: ScaleMark, parts: Double, isComplete: Bool) -> ScaleFigures {
        let running = nodes.indices.filter { nodes[$0].process != nil }
        func spread(_ value: (Int) -> Double) -> Spread { Spread(running.map { value($0) / parts }) }
        let rows = MessageKind.allCases.compactMap { kind -> ScaleFigures.Row? in
            let index = kind.rawValue
            let (sent, before) = (traffic.sent[index], mark.traffic.sent[index])
            let (received, receivedBefore) = (traffic.received[index], mark.traffic.received[index])
            let row = ScaleFigures.Row(
                kind: kind, sent: spread { Double(sent[$0].messages - before[$0].messages) },
                received: spread { Double(received[$0].messages - receivedBefore[$0].messages) },
                bytesSent: spread { Double(sent[$0].bytes - before[$0].bytes) },
                bytesReceived: spread { Double(received[$0].bytes - receivedBefore[$0].bytes) })
            return row.sent.maximum + row.received.maximum > 0 ? row : nil
        }
        let divisor = parts * Double(max(running.count, 1))
        let workRows = Work.Part.allCases.map { part in
            let (after, before) = (work.parts[part.rawValue], mark.work.parts[part.rawValue])
            return ScaleFigures.WorkRow(
                name: "\(part)", steps: Double(after.steps - before.steps) / divisor,
                microseconds: Double(after.nanoseconds - before.nanoseconds) / 1000 / divisor)
        }
        return ScaleFigures(
            phase: phase, nodes: scenario.nodes, partitions: scenario.partitions,
            seconds: Double(time - mark.time) / 1000 / (phase == .idle ? 1 : parts), isComplete: isComplete,
            epochs: Int(self.mark().epoch - mark.epoch), recovery: recovery, rows: rows,
            packets: spread { Double(traffic.packets[$0] - mark.traffic.packets[$0]) },
            bytesSent: spread { Double(traffic.bytesSent(by: $0) - mark.traffic.bytesSent(by: $0)) },
            bytesReceived: spread { Double(traffic.bytesReceived(by: $0) - mark.traffic.bytesReceived(by: $0)) },
            work: workRows,
            microseconds: spread {
                Double(work.nodes[$0].nanoseconds - mark.work.nodes[$0].nanoseconds) / 1000
            })
    }
}
