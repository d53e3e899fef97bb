import KVCore
import KVWire
import NIOCore

/// Asks a server that speaks Redis's protocol for what the generator needs to know before a run: the leaders, and where
/// scans can begin.
struct RESPDiscovery: Sendable {
    let options: BenchOptions

    /// Returns the leader of each slot. If the server is not a cluster, everything goes to the first endpoint that
    /// answers, as others may be its replicas.
    func slotMap() async throws -> SlotMap {
        guard options.isRouted else { return SlotMap(anyOf: options.endpoints) }
        var failures: [String] = []
        for endpoint in options.endpoints {
            do {
                let reply = try await ask(endpoint, "CLUSTER", "SLOTS")
                if case .array(let entries) = reply, !entries.isEmpty {
                    return SlotMap(entries.compactMap { Self.range($0, from: endpoint) })
                }
                return SlotMap(anyOf: [endpoint])
            } catch {
                failures.append("\(error)")
            }
        }
        throw BenchError.unreachable(failures.joined(separator: "; "))
    }

    /// First slot, last slot, and the leader before the replicas, each with host and port first.
    static func range(
        _ entry: RESPReplyReader.Reply, from endpoint: Address
    ) -> (first: Int, last: Int, leader: Address)? {
        guard case .array(let fields) = entry, fields.count > 2, case .integer(let first) = fields[0],
            case .integer(let last) = fields[1], case .array(let leader) = fields[2], leader.count > 1,
            case .integer(let port) = leader[1], 1...65_535 ~= port
        else { return nil }
        var host = endpoint.host
        if case .bulk(let text) = leader[0], text.readableBytes > 0 { host = String(buffer: text) }
        return (Int(clamping: first), Int(clamping: last), Address(host: host, port: Int(port)))
    }

    /// Returns cursors at which scans can begin: the first `limit` ones, or all if there are fewer.
    func cursors(limit: Int) async throws -> [[UInt8]] {
        guard let endpoint = try await slotMap().nodes.first else { return [] }
        var cursors = [[UInt8(ascii: "0")]]
        while cursors.count < limit {
            let reply = try await ask(
                endpoint, "SCAN", String(decoding: cursors[cursors.count - 1], as: UTF8.self), "COUNT", "100")
            guard case .array(let parts) = reply, case .bulk(let cursor)? = parts.first else { break }
            let bytes = Array(cursor.readableBytesView)
            if bytes == [UInt8(ascii: "0")] { break }
            cursors.append(bytes)
        }
        return cursors
    }

    private func ask(_ endpoint: Address, _ words: String...) async throws -> RESPReplyReader.Reply {
        var request = ByteBuffer()
        RESPRequestWriter.write(words.map { Array($0.utf8) }, to: &request)
        return try await RESPOneShotRequest.ask(endpoint, request, timeout: options.timeout)
    }
}
