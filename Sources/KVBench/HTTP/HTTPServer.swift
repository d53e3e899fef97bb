import FoundationEssentials
import KVClient
import KVCore
import NIOCore

/// What is to be known of an HTTP server before it is put under load.
struct HTTPServer: Sendable {
    let options: BenchOptions
    let client: KVClient

    init(_ options: BenchOptions) {
        self.options = options
        client = KVClient(endpoints: options.endpoints, timeout: options.timeout)
    }

    /// Who leads what. Where the server has no `/v1/ring`, the endpoints take turns.
    func routes() async throws -> Routes {
        do throws(KVClientError) {
            let ring = try await client.ring()
            return Self.routes(ring, isRouted: options.isRouted, endpoints: options.endpoints)
        } catch .unreachable(let reasons) {
            throw BenchError.unreachable(reasons)
        } catch {
            return Routes(anyOf: options.endpoints)
        }
    }

    static func routes(_ ring: RingStatus, isRouted: Bool, endpoints: [Address]) -> Routes {
        var addresses: [String: Address] = [:]
        for node in ring.nodes { addresses[node.id] = Address(redirection: node.client[...], from: endpoints[0]) }
        let ranges = ring.assignments.compactMap { assignment in
            assignment.leader.flatMap { addresses[$0] }.map { (assignment.firstSlot, assignment.lastSlot, $0) }
        }
        guard isRouted, !ranges.isEmpty else { return Routes(anyOf: endpoints) }
        var routes = Routes(ranges)
        for (id, address) in addresses { routes.ids[address] = id }
        return routes
    }

    /// Places from which scans may begin, percent-encoded: so many of the first, or all.
    func cursors(limit: Int) async throws -> [[UInt8]] {
        struct Page: Decodable { var cursor: String? }
        var cursors: [[UInt8]] = [[]]
        let endpoint = try await routes().nodes.first ?? options.endpoints[0]
        while cursors.count < limit {
            let place = cursors[cursors.count - 1]
            let suffix = place.isEmpty ? "" : "&cursor=" + String(decoding: place, as: UTF8.self)
            var request = ByteBuffer()
            request.writeString("GET /v1/kv?limit=100\(suffix) HTTP/1.1\r\nhost: \(endpoint)\r\n\r\n")
            let answers = try await Inquiry.ask(
                endpoint, request, count: 1, timeout: options.timeout, reader: HTTPAnswerReader())
            guard let answer = answers.first, answer.status == 200,
                let page = try? JSONDecoder().decode(Page.self, from: Data(answer.body.readableBytesView)),
                let cursor = page.cursor
            else { break }
            cursors.append(Self.percentEncoded(cursor))
        }
        return cursors
    }

    private static func percentEncoded(_ text: String) -> [UInt8] {
        text.utf8.flatMap { byte -> [UInt8] in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                [byte]
            default: Array("%\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))".utf8)
            }
        }
    }
}
