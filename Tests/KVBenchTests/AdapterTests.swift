import KVCore
import KVWire
import NIOCore
import XCTest

@testable import KVBench

final class AdapterTests: XCTestCase {
    private let address = Address(host: "127.0.0.1", port: 7400)

    private func written(_ adapter: any ProtocolAdapter, _ request: WireRequest) -> (String, Int) {
        var buffer = ByteBuffer()
        let answers = adapter.write(request, to: &buffer)
        return (String(buffer: buffer), answers)
    }

    private func results(_ adapter: any ProtocolAdapter, _ text: String) throws -> [WireResult] {
        var results: [WireResult] = []
        for byte in text.utf8 {
            var bytes = ByteBuffer(bytes: [byte])
            adapter.feed(&bytes)
            while let result = try adapter.next() { results.append(result) }
        }
        return results
    }

    private func resp(wait: Int = 0, starts: ScanStarts = ScanStarts()) -> RESPAdapter {
        RESPAdapter(address, wait: wait, values: Values(size: 3, seed: 1), starts: starts)
    }

    private func http(id: String? = nil, limit: Nanoseconds? = nil, starts: ScanStarts = ScanStarts()) -> HTTPAdapter {
        HTTPAdapter(address, id: id, limit: limit, values: Values(size: 3, seed: 1), starts: starts)
    }

    // MARK: RESP

    func testRESPRequests() {
        XCTAssertEqual(written(resp(), .get(key: 7)).0, "*2\r\n$3\r\nGET\r\n$16\r\nuser000000000007\r\n")
        let (set, answers) = written(resp(), .set(key: 7))
        XCTAssertEqual(answers, 1)
        XCTAssertTrue(set.hasPrefix("*3\r\n$3\r\nSET\r\n$16\r\nuser000000000007\r\n$3\r\n"), set)
        XCTAssertEqual(set.utf8.count, 40 + 3 + 2)
        let (waiting, both) = written(resp(wait: 2), .set(key: 7))
        XCTAssertEqual(both, 2)
        XCTAssertTrue(waiting.hasSuffix("\r\n*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$4\r\n1000\r\n"), waiting)
        XCTAssertEqual(
            written(resp(), .scan(at: 5, count: 42)).0, "*4\r\n$4\r\nSCAN\r\n$1\r\n0\r\n$5\r\nCOUNT\r\n$2\r\n42\r\n")
    }

    func testRESPAnswers() throws {
        XCTAssertEqual(
            try results(resp(), "+OK\r\n$1\r\na\r\n$-1\r\n>1\r\n+x\r\n*2\r\n$1\r\n0\r\n*0\r\n"),
            [.done, .done, .missing, .unrelated, .done])
        let cases: [(String, FailureKind)] = [
            ("CLUSTERDOWN x", .refused), ("LOADING x", .refused), ("OUTCOMEUNKNOWN x", .unknown), ("ERR x", .other),
            ("MOVED 1", .other),
        ]
        for (text, kind) in cases {
            XCTAssertEqual(try results(resp(), "-\(text)\r\n"), [.failed(kind, text)])
        }
        XCTAssertEqual(try results(resp(wait: 1), ":1\r\n"), [.done])
        guard case .failed(.unknown, _)? = try results(resp(wait: 2), ":1\r\n").first else {
            return XCTFail("a write that too few confirmed is in doubt")
        }
    }

    func testMovedNamesANode() throws {
        XCTAssertEqual(
            try results(resp(), "-MOVED 3999 10.0.0.1:6381\r\n"), [.moved(Address(host: "10.0.0.1", port: 6381))])
        XCTAssertEqual(try results(resp(), "-MOVED 3999 :6381\r\n"), [.moved(Address(host: "127.0.0.1", port: 6381))])
        XCTAssertEqual(Address(redirection: "::1:6381", from: address), Address(host: "::1", port: 6381))
        XCTAssertEqual(Address(redirection: "[::1]:6381", from: address), Address(host: "::1", port: 6381))
        for bad in ["", "x", "x:", "x:0", "x:65536", "x:y"] {
            XCTAssertNil(Address(redirection: bad[...], from: address), bad)
        }
    }

    // MARK: HTTP

    func testHTTPRequests() {
        XCTAssertEqual(
            written(http(), .get(key: 7)).0, "GET /v1/kv/user000000000007 HTTP/1.1\r\nhost: 127.0.0.1:7400\r\n\r\n")
        let (put, _) = written(http(limit: .milliseconds(250)), .set(key: 7))
        XCTAssertTrue(
            put.hasPrefix(
                "PUT /v1/kv/user000000000007?timeout=250ms HTTP/1.1\r\nhost: 127.0.0.1:7400\r\ncontent-length: 3\r\n\r\n"
            ), put)
        let starts = ScanStarts()
        starts.set([[], Array("a%2F".utf8)])
        let adapter = http(starts: starts)
        XCTAssertTrue(
            written(adapter, .scan(at: 0, count: 9)).0.hasPrefix("GET /v1/kv?values=true&limit=9 HTTP/1.1\r\n"))
        XCTAssertTrue(
            written(adapter, .scan(at: 1, count: 9)).0.hasPrefix(
                "GET /v1/kv?values=true&limit=9&cursor=a%2F HTTP/1.1\r\n"))
    }

    func testHTTPAnswers() throws {
        let text = """
            HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc\
            HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nETag: "1.1.1"\r\n\r\n\
            HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n
            """
        XCTAssertEqual(try results(http(), text), [.done, .done, .missing, .done])
        for (status, kind) in [(503, FailureKind.refused), (429, .refused), (504, .unknown), (500, .other)] {
            XCTAssertEqual(
                try results(http(), "HTTP/1.1 \(status) X\r\ncontent-length: 2\r\n\r\nno"),
                [.failed(kind, "\(status) no")])
        }
    }

    func testWhatIsNoHTTPAnswerIsRefused() {
        for text in [
            "+OK\r\n\r\n\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff0\r\n",
            "HTTP/1.1 200 OK\r\nx: " + String(repeating: "y", count: 70_000),
        ] {
            XCTAssertThrowsError(try results(http(), text), text)
        }
    }

    func testAnotherNodesNameSaysThatTheRequestWasHandedOn() throws {
        let answer = "HTTP/1.1 204 No Content\r\nKV-Node: n2\r\n\r\n"
        let (here, there) = (http(id: "n2"), http(id: "n1"))
        _ = try (results(here, answer), results(there, answer))
        XCTAssertFalse(here.takeMisrouted())
        XCTAssertTrue(there.takeMisrouted())
        XCTAssertFalse(there.takeMisrouted())
    }

    // MARK: SlotMap

    func testSlotsGoToTheirLeaders() {
        let (a, b) = (Address(host: "a", port: 1), Address(host: "b", port: 2))
        let slotMap = SlotMap([(0, 8191, a), (8192, 16_383, b), (-1, 5, a), (9, 16_384, a), (7, 3, a)])
        XCTAssertEqual(slotMap.nodes, [a, b])
        for key in 0..<100 {
            XCTAssertEqual(slotMap.leader(ofKey: key), KeyName.slot(key).raw < 8192 ? 0 : 1)
        }
        XCTAssertNil(SlotMap(anyOf: [a, b]).leader(ofKey: 1))
    }

    func testSlotsAsRedisTellsThem() throws {
        let text =
            "*1\r\n*4\r\n:0\r\n:16383\r\n*3\r\n$0\r\n\r\n:6379\r\n$2\r\nid\r\n*3\r\n$1\r\nb\r\n:1\r\n$2\r\nxx\r\n"
        var reader = RESPReplyReader()
        var bytes = ByteBuffer(string: text)
        reader.feed(&bytes)
        guard case .array(let entries)? = try reader.next() else { return XCTFail(text) }
        let range = try XCTUnwrap(RESPDiscovery.range(entries[0], from: address))
        XCTAssertEqual(range.first, 0)
        XCTAssertEqual(range.last, 16_383)
        XCTAssertEqual(range.leader, Address(host: "127.0.0.1", port: 6379), "no host is the one that was asked")
        XCTAssertNil(RESPDiscovery.range(.array([.integer(1)]), from: address))
    }
}
