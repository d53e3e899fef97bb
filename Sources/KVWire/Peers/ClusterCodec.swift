import KVCore

// Encodes the messages about membership.

extension ByteWriter {
    mutating func cluster(_ message: ClusterMessage, _ protocolVersion: UInt16) {
        switch message {
        case .topologyWanted(let above):
            code(ClusterMessageType.topologyWanted)
            varint(above)
        case .topology(let newer):
            code(ClusterMessageType.topology)
            let own = TopologyCodec.format(of: newer)
            // (A peer that does not know of splits refuses format 4 by name, and is refused itself.)
            let isOwn = protocolVersion >= Handshake.firstWithChanges || own == TopologyCodec.formatWithSplits
            topology(newer, isOwn ? own : TopologyCodec.formatWithoutRuns)
        case .topologyChanges(let changes):
            code(ClusterMessageType.topologyChanges)
            topologyChanges(changes)
        case .report(let news):
            code(ClusterMessageType.report)
            report(news)
        case .prepared(let partitions):
            code(ClusterMessageType.prepared)
            varint(count: partitions)
        case .announce(let who):
            code(ClusterMessageType.announce)
            pendingNode(who)
        case .control(let id, let request):
            code(ClusterMessageType.control)
            fixed(id.raw)
            control(request)
        case .controlReply(let id, let reply):
            code(ClusterMessageType.controlReply)
            fixed(id.raw)
            control(reply)
        }
    }

    private mutating func pendingNode(_ pendingNode: PendingNode) {
        string(pendingNode.id)
        address(pendingNode.client)
        address(pendingNode.peer)
        string(pendingNode.zone)
        varint(count: pendingNode.weight)
        uuid(pendingNode.store)
        varint(pendingNode.boot)
        byte(pendingNode.admitsItself ? 1 : 0)
    }

    private mutating func report(_ report: NodeReport) {
        varint(report.epoch)
        uuid(report.store)
        varint(count: report.partitions.count)
        for size in report.partitions {
            partition(size.partition)
            varint(size.bytes)
        }
        varint(count: report.moves.count)
        for move in report.moves {
            partition(move.partition)
            varint(move.changed)
            varint(move.sent)
            varint(move.total)
            byte(move.isReady ? 1 : 0)
            obstacle(move.obstacle)
        }
    }

    mutating func obstacle(_ obstacle: MoveObstacle?) {
        byte(obstacle == nil ? 0 : 1)
        switch obstacle {
        case .unreachable(let who):
            code(MoveObstacleType.unreachable)
            node(who)
        case .silent(let who):
            code(MoveObstacleType.silent)
            node(who)
        case .settling: code(MoveObstacleType.settling)
        case .paused: code(MoveObstacleType.paused)
        case nil: break
        }
    }
}

extension ByteReader {
    mutating func clusterMessage() throws(WireError) -> ClusterMessage {
        switch try code(ClusterMessageType.self, "message about membership") {
        case .topologyWanted: return .topologyWanted(above: try varint())
        case .topology: return .topology(try topology())
        case .topologyChanges: return .topologyChanges(try topologyChanges())
        case .report: return .report(try report())
        case .prepared: return .prepared(partitions: try varint(in: 0...Slot.count, "number of partitions"))
        case .announce: return .announce(try pendingNode())
        case .control: return .control(try requestID(), try controlRequest())
        case .controlReply: return .controlReply(try requestID(), try controlReply())
        }
    }

    private mutating func pendingNode() throws(WireError) -> PendingNode {
        PendingNode(
            id: try name("node id"), client: try address(), peer: try address(), zone: try name("zone"),
            weight: try varint(in: 1...Int.max, "weight"), store: try uuid(), boot: try varint(),
            admitsItself: try boolean("wish to be admitted"))
    }

    private mutating func report() throws(WireError) -> NodeReport {
        let epoch = try varint()
        let store = try uuid()
        let sizes = try count(of: "list of partitions", size: 2)
        var partitions: [PartitionSize] = []
        partitions.reserveCapacity(sizes)
        for _ in 0..<sizes { partitions.append(PartitionSize(partition: try partition(), bytes: try varint())) }
        let count = try count(of: "list of moves", size: 6)
        var moves: [MoveReport] = []
        moves.reserveCapacity(count)
        for _ in 0..<count {
            moves.append(
                MoveReport(
                    partition: try partition(), changed: try varint(), sent: try varint(), total: try varint(),
                    isReady: try boolean("readiness"), obstacle: try obstacle()))
        }
        return NodeReport(epoch: epoch, store: store, partitions: partitions, moves: moves)
    }

    mutating func obstacle() throws(WireError) -> MoveObstacle? {
        guard try boolean("presence of an obstacle") else { return nil }
        switch try code(MoveObstacleType.self, "obstacle") {
        case .unreachable: return .unreachable(try node())
        case .silent: return .silent(try node())
        case .settling: return .settling
        case .paused: return .paused
        }
    }
}
