import KVClient
import KVCore

/// Asks an HTTP server for what the generator needs to know before a run: the leaders, and where scans can begin.
struct HTTPDiscovery: Sendable {
    let options: BenchOptions
    let client: KVClient

    init(_ options: BenchOptions) {
        self.options = options
        client = KVClient(endpoints: options.endpoints, timeout: Duration(options.timeout))
    }

    /// Returns the leader of each slot. If the server has no `/v1/ring`, the endpoints take turns.
    func slotMap() async throws -> SlotMap {
        do {
            let ring = try await client.ring()
            return Self.slotMap(ring, isRouted: options.isRouted, endpoints: options.endpoints)
        } catch let error as KVError where error.code == .unreachable {
            throw BenchError.unreachable("\(error)")
        } catch {
            return SlotMap(anyOf: options.endpoints)
        }
    }

    static func slotMap(_ ring: RingStatus, isRouted: Bool, endpoints: [Address]) -> SlotMap {
        var addresses: [String: Address] = [:]
        for node in ring.nodes { addresses[node.id] = Address(redirection: node.client[...], from: endpoints[0]) }
        let ranges = ring.assignments.compactMap { assignment in
            assignment.leader.flatMap { addresses[$0] }.map { (assignment.firstSlot, assignment.lastSlot, $0) }
        }
        guard isRouted, !ranges.isEmpty else { return SlotMap(anyOf: endpoints) }
        var slotMap = SlotMap(ranges)
        for (id, address) in addresses { slotMap.ids[address] = id }
        return slotMap
    }

    /// Returns cursors at which scans can begin, percent-encoded: the first `limit` ones, or all if there are fewer.
    func cursors(limit: Int) async throws -> [[UInt8]] {
        var cursors: [[UInt8]] = [[]]
        var cursor: String?
        while cursors.count < limit {
            do {
                cursor = try await client.page(cursor: cursor, limit: 100).cursor
            } catch let error as KVError where error.code == .unreachable {
                throw BenchError.unreachable("\(error)")
            } catch {
                // The server does not list its keys, so scans begin at the beginning.
                break
            }
            guard let cursor else { break }
            cursors.append(PercentEncoding.encoded(Array(cursor.utf8)))
        }
        return cursors
    }
}
