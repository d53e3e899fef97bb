import KVCore
import NIOCore
import XCTest

@testable import KVAPI

/// Damaged requests, in pieces of any size: nothing crashes, what is sent back is whole answers, and no connection is
/// left hanging. A failure names its seed.
final class HTTPFuzzTests: XCTestCase {
    private let corpus = [
        request("GET /v1/kv/key"),
        request("GET /v1/kv/a%2Fb?consistency=stale&timeout=5s", ["If-None-Match: \"1.1.1\", W/\"2.1.1\""]),
        request("PUT /v1/kv/key?ttl=30s", ["Content-Type: text/plain", "If-Match: \"1.1.1\""], body: "value"),
        request("PUT /v1/kv/key", ["Transfer-Encoding: chunked"])
            + "3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nTrailer: x\r\n\r\n",
        request("PUT /v1/kv/key", ["Expect: 100-continue", "Content-Length: 4"]) + "body",
        request("DELETE /v1/kv/key", ["If-Match: *"]),
        request("GET /v1/kv?prefix=a&limit=2&values=true&cursor=AABrZXk"),
        request("GET /v1/ring?key=a"),
        request("GET /v1/topology"),
        request("GET /v1/load?over=100ms"),
        request("POST /v1/nodes/n4/join?weight=2&zone=b&replace=n3&dry_run=true"),
        request(
            "POST /v1/plan", ["Origin: http://kv"],
            body: "{\"join\":[{\"id\":\"n4\",\"weight\":1,\"zone\":\"\\u00e9\"}],\"leave\":[\"n2\"],\"force\":false}"),
        request("POST /v1/plan/cancel?timeout=1s"),
        "GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        request("GET /health/ready", ["Connection: close"]),
        request("GET /ping", ["Connection: Upgrade", "Upgrade: websocket"]),
        "CONNECT kv:443 HTTP/1.1\r\nHost: kv\r\n\r\n",
    ].map { Array($0.utf8) }

    func testDamagedRequests() throws {
        for seed in 1...2000 as ClosedRange<UInt64> { try run(seed) }
    }

    private func run(_ seed: UInt64) throws {
        var random = SplitMix(state: seed)
        var input: [UInt8] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) { input += corpus.randomElement(using: &random) ?? [] }
        for _ in 0..<Int.random(in: 0...4, using: &random) { mutate(&input, &random) }

        let client = try HTTPTestClient()
        client.backend.isHolding = Bool.random(using: &random)
        client.backend.outcome = { _, _ in .found(Record(version: version(1, 1, 1), value: Array("value".utf8))) }
        var output = ""
        while !input.isEmpty {
            let count = Int.random(in: 1...input.count, using: &random)
            client.send(Array(input.prefix(count)))
            input.removeFirst(count)
            if Bool.random(using: &random), !client.backend.held.isEmpty { client.backend.release() }
            output += client.received()
        }
        while !client.backend.held.isEmpty { client.backend.release() }
        output += client.received()
        check(output, seed)

        // Whatever was begun ends: with an answer, or by the clock.
        let wasSilent = output.isEmpty && client.isOpen
        client.channel.embeddedEventLoop.advanceTime(by: .seconds(75))
        let last = client.received()
        check(last, seed)
        XCTAssertFalse(client.isOpen, "seed \(seed): still open")
        if wasSilent { XCTAssertTrue(last.isEmpty || last.hasPrefix("HTTP/1.1 408"), "seed \(seed): \(last)") }
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        guard !bytes.isEmpty else { return }
        let index = Int.random(in: 0..<bytes.count, using: &random)
        let end = min(bytes.count, index + Int.random(in: 1...16, using: &random))
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.removeSubrange(index..<end)
        case 3: bytes.insert(contentsOf: bytes[index..<end], at: index)
        case 4:
            let token = ["\r\n", "%", ":", "\0", " ", "99999999999999999999", "HTTP/1.1", "\r\n\r\n", "\"", "&", "="]
            bytes.insert(contentsOf: (token.randomElement(using: &random) ?? "").utf8, at: index)
        default: bytes.removeSubrange(index...)
        }
    }

    /// That `output` is a sequence of whole answers.
    private func check(_ output: String, _ seed: UInt64) {
        var rest = Substring(output)
        while !rest.isEmpty {
            guard rest.hasPrefix("HTTP/1.1 "), let end = rest.range(of: "\r\n\r\n") else {
                return XCTFail("seed \(seed): no answer: \(rest)")
            }
            let answer = Answer(String(rest[..<end.upperBound]))
            rest = rest[end.upperBound...]
            guard let length = answer.fields["content-length"].flatMap({ Int($0) }) else {
                XCTAssertTrue(
                    ["100", "204", "304"].contains(answer.status.prefix(3)), "seed \(seed): \(answer.text)")
                continue
            }
            guard rest.utf8.count >= length else { return XCTFail("seed \(seed): cut short: \(answer.text)") }
            rest = Substring(rest.utf8.dropFirst(length))
        }
    }
}

/// Steele, Lea and Flood's generator: a seed gives the same numbers everywhere.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
