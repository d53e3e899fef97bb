import KVCore
import NIOCore
import NIOEmbedded
import XCTest

@testable import KVAPI

/// What connections hold together, before and after their replies have come.
final class ReplyBudgetTests: XCTestCase {
    /// Values are up to 100,000 bytes here; those of keys that begin with `s` have one.
    private func hold(
        _ options: RESPOptions = RESPOptions(), replies: Int = 256 << 20, size: Int = 60_000
    ) throws -> RESPTestClient {
        let backend = FakeBackend()
        backend.limits.value = 100_000
        backend.isHolding = true
        backend.outcome = { command, key in
            guard command == .get else { return .written(version(1, 1, 1)) }
            return .found(.holding(String(repeating: "x", count: key.bytes.first == UInt8(ascii: "s") ? 1 : size)))
        }
        return try RESPTestClient(backend, options: options, replies: replies)
    }

    private func another(_ client: RESPTestClient) throws -> RESPTestClient {
        try RESPTestClient(client.listener, client.backend, on: client.channel.embeddedEventLoop)
    }

    private func releaseAll(_ client: RESPTestClient) {
        while !client.backend.held.isEmpty { client.backend.release() }
    }

    /// Reads are counted as what came lately. Values that are much larger are dropped, and read again one by one.
    func testValuesLargerThanExpectedAreDroppedAndReadAgain() throws {
        var options = RESPOptions()
        options.maximumPendingBytes = 200_000
        let client = try hold(options)
        client.send("get s\n")
        client.backend.release()
        XCTAssertEqual(client.received(), "$1\r\nx\r\n")
        client.send((0..<50).map { "get k\($0)\n" }.joined() + "set k7 v\nping\n")
        XCTAssertEqual(client.backend.held.count, 50, "as replies were small")
        // The newest are answered first: all of them wait for the oldest.
        var peak = 0
        let budget = client.budget
        let answers = client.backend.held.reversed()
        client.backend.held = []
        for answer in answers {
            answer()
            peak = max(peak, budget.used)
        }
        XCTAssertLessThan(peak, 200_000 + 60_000 + 1, "and no more of them is kept than may be")
        var text = ""
        for _ in 0..<200 {
            text += client.received()
            XCTAssertLessThan(budget.used, 300_000)
            if client.backend.held.isEmpty { break }
            client.backend.release()
        }
        let value = "$60000\r\n" + String(repeating: "x", count: 60_000) + "\r\n"
        XCTAssertEqual(text, String(repeating: value, count: 50) + "+OK\r\n+PONG\r\n")
        let ofOneKey = client.backend.asked.filter { $0.key == Key("k7") }.map(\.command.isRead)
        XCTAssertEqual(ofOneKey, [true, true, false], "a change waits for the read before it, again")
        XCTAssertEqual(budget.used, 0)
    }

    /// The node may say how large a value is instead of reading it.
    func testAValueThatWasNotReadIsAskedForWithRoomForIt() throws {
        let client = try hold()
        client.send("get s\nget a\nget b\nping\n")
        client.backend.release()
        XCTAssertEqual(client.backend.asked.map(\.allowance), [100_000, 100_000, 100_000], "before the first has come")
        releaseAll(client)
        client.send(String(repeating: "get s\n", count: 200))
        releaseAll(client)
        while !client.received().isEmpty { releaseAll(client) }
        client.backend.needs = 60_000
        client.send("get c\nget d\nset d v\n")
        XCTAssertLessThan(client.backend.asked.last?.allowance ?? 0, 60_000)
        client.backend.release()
        client.backend.release()
        XCTAssertEqual(client.received(), "")
        client.backend.needs = 0
        XCTAssertEqual(client.backend.asked.suffix(2).map(\.allowance), [60_000, 60_000])
        releaseAll(client)
        let value = "$60000\r\n" + String(repeating: "x", count: 60_000) + "\r\n"
        XCTAssertEqual(client.received(), value + value + "+OK\r\n")
        XCTAssertEqual(client.budget.used, 0)
    }

    func testPartsLargerThanExpectedAreDroppedAndReadAgain() throws {
        var options = RESPOptions()
        options.maximumPendingBytes = 200_000
        let client = try hold(options)
        client.send("get s\n")
        client.backend.release()
        client.send("mget " + (0..<20).map { "k\($0)" }.joined(separator: " ") + "\nping\n")
        XCTAssertEqual(client.backend.held.count, 20)
        releaseAll(client)
        let text = client.received()
        XCTAssertTrue(text.hasPrefix("$1\r\nx\r\n*20\r\n$60000\r\n"))
        XCTAssertTrue(text.hasSuffix("\r\n+PONG\r\n"))
        XCTAssertEqual(client.budget.used, 0)
    }

    func testConnectionsWaitForWhatOthersHoldAndNoneIsLockedOut() throws {
        let first = try hold(replies: 150_000)
        let second = try another(first)
        first.send("get a\nget b\nget c\n")
        XCTAssertEqual(first.backend.held.count, 2, "each may be as large as a value may be")
        second.send("get d\nget e\n")
        XCTAssertEqual(first.backend.asked.map(\.key.description), ["a", "b", "d"], "one goes in any case")
        first.backend.release()
        first.backend.release()
        XCTAssertEqual(first.received().utf8.count, 2 * 60_010)
        XCTAssertEqual(first.backend.asked.map(\.key.description), ["a", "b", "d", "c"])
        first.backend.held.remove(at: 1)()
        XCTAssertEqual(first.received().utf8.count, 60_010)
        XCTAssertEqual(
            first.backend.asked.map(\.key.description), ["a", "b", "d", "c", "e"],
            "what one gives back lets others go on")
        releaseAll(first)
        XCTAssertEqual(second.received().utf8.count, 2 * 60_010)
        XCTAssertEqual(first.budget.used, 0)
    }

    func testAConnectionThatEndsGivesBackWhatItHolds() throws {
        let first = try hold(replies: 150_000)
        let second = try another(first)
        first.send("get a\nget b\n")
        second.send("get d\nget e\n")
        XCTAssertEqual(first.backend.asked.count, 3)
        try first.channel.close().wait()
        second.channel.embeddedEventLoop.run()
        XCTAssertEqual(first.backend.asked.count, 4)
        releaseAll(first)
        XCTAssertEqual(second.received().utf8.count, 2 * 60_010)
        XCTAssertEqual(second.budget.used, 0)
    }

    /// Its answers are given back by nothing but its end.
    func testACommandOnSeveralKeysThatFindsNoRoomIsRefused() throws {
        let first = try hold(replies: 250_000)
        let second = try another(first)
        first.send("get a\nget b\n")
        XCTAssertEqual(first.backend.held.count, 2)
        let others = first.backend.held
        first.backend.held = []
        second.send("mget c d e f g\nping\n")
        while !first.backend.held.isEmpty { first.backend.release() }
        XCTAssertEqual(second.received(), "")
        second.wait(.milliseconds(5100))
        XCTAssertEqual(
            second.received(),
            "-BUSY nothing was changed: the node holds as many bytes of replies for its clients as it may "
                + "(limits.replies); ask for fewer keys at a time, and read replies as they come\r\n+PONG\r\n")
        for answer in others { answer() }
        XCTAssertEqual(first.received().utf8.count, 2 * 60_010)
        second.send("mget c d e\n")
        releaseAll(first)
        XCTAssertTrue(second.received().hasPrefix("*3\r\n"))
        XCTAssertEqual(first.budget.used, 0)
    }

    func testKeysThatFindNoRoomAreRefused() throws {
        let first = try hold(replies: 250_000)
        let second = try another(first)
        first.send("get a\nget b\n")
        let key = String(repeating: "k", count: 50)
        first.backend.page = .success(
            ListReply(entries: (0..<1000).map { (Key("\(key)\($0)"), nil) }, next: nil))
        second.send("keys *\n")
        XCTAssertTrue(second.received().hasPrefix("-BUSY"), "83,000 bytes")
        releaseAll(first)
        XCTAssertTrue(second.exchange("keys *").hasPrefix("*1000\r\n"))
        XCTAssertEqual(first.budget.used, 0)
    }

    // MARK: Clients that do not read

    private func stop(_ client: RESPTestClient) throws -> ReadCounter {
        let counter = ReadCounter()
        try client.channel.pipeline.syncOperations.addHandler(counter, position: .first)
        client.channel.isWritable = false
        client.channel.pipeline.fireChannelWritabilityChanged()
        return counter
    }

    func testRequestsOfAClientThatDoesNotReadAreReadAhead() throws {
        let client = try hold()
        client.backend.isHolding = false
        let counter = try stop(client)
        for number in 0..<100 {
            client.send("get s\(number)\n")
            client.channel.read()
            XCTAssertEqual(counter.reads, number + 1)
        }
        XCTAssertTrue(client.backend.asked.isEmpty)
        client.channel.isWritable = true
        client.channel.pipeline.fireChannelWritabilityChanged()
        XCTAssertEqual(client.received(), String(repeating: "$1\r\nx\r\n", count: 100))
    }

    func testWhoSendsAndDoesNotReadIsToldAndCutOff() throws {
        var options = RESPOptions()
        options.maximumUnreadBytes = 1000
        options.stallTimeout = .milliseconds(3000)
        let client = try hold(options)
        client.send("get s\n")
        let counter = try stop(client)
        client.send(String(repeating: "get s\n", count: 300))
        client.channel.read()
        XCTAssertEqual(counter.reads, 0, "no more is read")
        client.backend.release()
        client.wait(.seconds(2))
        XCTAssertEqual(client.received(), "$1\r\nx\r\n")
        client.wait(.seconds(5))
        XCTAssertEqual(
            client.received(),
            "-ERR this connection ends here, and what was sent after the last reply was not carried out: its client "
                + "has read nothing for 3 s, and no more of its requests may wait; read replies while sending, or send "
                + "fewer requests at a time\r\n")
        client.wait(.seconds(70))
        XCTAssertFalse(client.isOpen)
        XCTAssertEqual(client.backend.asked.count, 1)
        XCTAssertEqual(client.budget.used, 0)
    }

    func testWhoReadsAgainIsNotCutOff() throws {
        var options = RESPOptions()
        options.maximumUnreadBytes = 1000
        options.stallTimeout = .milliseconds(3000)
        let client = try hold(options)
        client.backend.isHolding = false
        _ = try stop(client)
        client.send(String(repeating: "get s\n", count: 300))
        client.wait(.seconds(4))
        client.channel.isWritable = true
        client.channel.pipeline.fireChannelWritabilityChanged()
        client.wait(.seconds(70))
        XCTAssertEqual(client.received(), String(repeating: "$1\r\nx\r\n", count: 300))
        XCTAssertTrue(client.isOpen)
    }

    // MARK: HTTP

    func testAnswersOfOneReadLeaveBeforeTheyAreMany() throws {
        let client = try HTTPTestClient()
        client.backend.outcome = { _, _ in .found(.holding(String(repeating: "x", count: 50_000))) }
        client.send((0..<20).map { request("GET /v1/kv/k\($0)") }.joined())
        var count = 0
        while let bytes = try client.channel.readOutbound(as: ByteBuffer.self) {
            XCTAssertLessThan(bytes.readableBytes, 100_000)
            count += 1
        }
        XCTAssertEqual(count, 20)
    }

    func testAPageOfValuesWaitsForRoom() throws {
        let budgets = ReplyBudgets(bytes: 64 << 20, loops: 1)
        let client = try HTTPTestClient(budgets: budgets)
        let budget = budgets.budget(of: client.channel.eventLoop)
        budget.charge(60 << 20)
        client.send(request("GET /v1/kv?values=true&timeout=2s"))
        XCTAssertTrue(client.backend.listed.isEmpty)
        budget.charge(-(1 << 20))
        client.channel.embeddedEventLoop.run()
        XCTAssertTrue(client.backend.listed.isEmpty, "that is not enough")
        budget.charge(-(59 << 20))
        client.channel.embeddedEventLoop.run()
        XCTAssertEqual(client.backend.listed.count, 1)
        XCTAssertEqual(Answer(client.received()).status, "200 OK")
        XCTAssertEqual(budget.used, 0)
        budget.charge(60 << 20)
        client.send(request("GET /v1/kv?values=true&timeout=2s"))
        client.channel.embeddedEventLoop.advanceTime(by: .seconds(3))
        let refused = Answer(client.received())
        XCTAssertEqual(refused.status, "429 Too Many Requests")
        XCTAssertEqual(refused.error, "overloaded")
        XCTAssertEqual(client.exchange(request("GET /v1/kv")).status, "200 OK", "keys alone go on")
        XCTAssertEqual(budget.used, 60 << 20)
    }
}
