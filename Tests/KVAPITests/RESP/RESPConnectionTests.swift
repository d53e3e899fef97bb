import KVCore
import NIOCore
import XCTest

@testable import KVAPI

/// The order of replies, what waits for what, and what is bounded.
final class RESPConnectionTests: XCTestCase {
    private func hold(_ options: RESPOptions = RESPOptions()) throws -> RESPTestClient {
        let client = try RESPTestClient(options: options)
        client.backend.isHolding = true
        client.backend.outcome = { command, key in
            command == .get ? .found(.holding("v\(key)")) : .written(version(1, 1, 1))
        }
        return client
    }

    func testRepliesOfOneTurnLeaveInOneWrite() throws {
        let client = try RESPTestClient()
        client.send(String(repeating: array("GET", "a") + array("PING"), count: 50))
        client.channel.embeddedEventLoop.run()
        let bytes = try XCTUnwrap(try client.channel.readOutbound(as: ByteBuffer.self))
        XCTAssertEqual(String(buffer: bytes), String(repeating: "$-1\r\n+PONG\r\n", count: 50))
        XCTAssertNil(try client.channel.readOutbound(as: ByteBuffer.self))
    }

    func testRepliesComeInTheOrderOfRequests() throws {
        let client = try hold()
        client.send("get a\nping\nget b\nfoo\nget c\n")
        XCTAssertEqual(client.backend.held.count, 3, "different keys go on side by side")
        XCTAssertEqual(client.received(), "")
        let answers = client.backend.held
        answers[2]()
        answers[1]()
        XCTAssertEqual(client.received(), "")
        answers[0]()
        XCTAssertEqual(
            client.received(),
            "$2\r\nva\r\n+PONG\r\n$2\r\nvb\r\n-ERR unknown command 'foo', with args beginning with: \r\n$2\r\nvc\r\n")
    }

    func testOfOneKeyALaterWaitsForAnEarlierWhereOneChangesIt() throws {
        let client = try hold()
        client.send("get a\nget a\nset a 1\nget b\nget a\nget a\nset a 2\n")
        XCTAssertEqual(client.backend.asked.map(\.key.description), ["a", "a", "b"])
        client.backend.release()
        XCTAssertEqual(client.backend.asked.count, 3, "another read is under way")
        client.backend.release()
        XCTAssertEqual(client.backend.asked.count, 4, "the write goes")
        client.backend.release()
        XCTAssertEqual(client.backend.asked.count, 4, "that was another key's")
        client.backend.release()
        XCTAssertEqual(client.backend.asked.count, 6, "both reads go")
        client.backend.release()
        XCTAssertEqual(client.backend.asked.count, 6)
        client.backend.release()
        XCTAssertEqual(client.backend.asked.count, 7)
        XCTAssertEqual(client.received().components(separatedBy: "\r\n").filter { $0 == "+OK" }.count, 1)
        client.backend.release()
        XCTAssertEqual(client.received(), "+OK\r\n")
    }

    func testPlainWritesThatWaitTogetherGoAsTheLast() throws {
        let client = try hold()
        client.send("set a 1\nset a 2\nset b x\nset a 3 ex 10\nset a 4\nget a\nset a 5 nx\nset a 6\nset a 7\n")
        func values() -> [String] {
            client.backend.asked.map { asked in
                if case .put(let put) = asked.command { String(decoding: put.value, as: UTF8.self) } else { "get" }
            }
        }
        XCTAssertEqual(values(), ["1", "x"])
        client.backend.outcome = { command, _ in
            command == .get ? .found(.holding("4")) : .unknown(.timedOut)
        }
        client.backend.release()
        XCTAssertEqual(values(), ["1", "x", "4"], "three have waited")
        XCTAssertEqual(client.received(), "+OK\r\n")
        client.backend.release()
        XCTAssertEqual(client.received(), "", "their end is not known yet")
        client.backend.release()
        XCTAssertEqual(values(), ["1", "x", "4", "get"])
        let unknown = "-" + RESPFailure(Uncertainty.timedOut).text + "\r\n"
        XCTAssertEqual(client.received(), unknown + "+OK\r\n" + unknown + unknown, "they end alike")
        client.backend.release()
        XCTAssertEqual(values(), ["1", "x", "4", "get", "5"], "what has a condition goes by itself")
        client.backend.release()
        XCTAssertEqual(values(), ["1", "x", "4", "get", "5", "7"])
        client.backend.release()
        XCTAssertEqual(client.received(), "$1\r\n4\r\n" + unknown + unknown + unknown)
        XCTAssertTrue(client.backend.held.isEmpty)
    }

    /// A client before a counter that adds as the leader does.
    private func count(from start: Int64) throws -> RESPTestClient {
        let client = try hold()
        let counter = Counter(start)
        client.backend.outcome = { command, _ in counter.execute(command) }
        return client
    }

    private final class Counter {
        var value: Int64

        init(_ value: Int64) { self.value = value }

        func execute(_ command: Command) -> Outcome {
            guard case .update(let update) = command, case .add(let addend) = update.change else {
                return .found(.holding("\(value)"))
            }
            let (sum, overflow) = value.addingReportingOverflow(addend)
            guard !overflow else { return .updated(nil, .misfit(.overflow)) }
            value = sum
            return .updated(version(1, 1, 1), .applied(.integer(sum)))
        }
    }

    private func addends(_ client: RESPTestClient) -> [Int64?] {
        client.backend.asked.map { asked in
            if case .update(let update) = asked.command, case .add(let addend) = update.change { addend } else { nil }
        }
    }

    func testAdditionsThatWaitTogetherGoAsTheirSum() throws {
        let client = try count(from: 100)
        client.send("incr a\nincr a\nincrby a 0\nincrby a 10\nincr b\ndecr a\ndecrby a 4\nget a\nincr a\n")
        XCTAssertEqual(addends(client), [1, 1])
        while !client.backend.held.isEmpty { client.backend.release() }
        XCTAssertEqual(addends(client), [1, 1, 11, -5, nil, 1], "of one sign, and with nothing between")
        let lines = client.received().components(separatedBy: "\r\n")
        // The counter is the same for both keys.
        XCTAssertEqual(lines, [":101", ":103", ":103", ":113", ":102", ":112", ":108", "$3", "108", ":109", ""])
    }

    func testAdditionsThatFailTogetherEndAlike() throws {
        let client = try hold()
        client.backend.outcome = { _, _ in .updated(nil, .misfit(.notAnInteger)) }
        client.send("incr a\nincr a\nincr a\n")
        client.backend.release()
        client.backend.outcome = { _, _ in .unknown(.timedOut) }
        client.send("incr a\n")
        while !client.backend.held.isEmpty { client.backend.release() }
        XCTAssertEqual(addends(client), [1, 2, 1])
        let notAnInteger = "-" + RESPFailure(Misfit.notAnInteger).text + "\r\n"
        let unknown = "-" + RESPFailure(Uncertainty.timedOut).text + "\r\n"
        XCTAssertEqual(client.received(), notAnInteger + notAnInteger + notAnInteger + unknown)
    }

    func testAdditionsWhoseSumDoesNotFitGoOneByOne() throws {
        let client = try count(from: .max - 3)
        client.send("incr a\nincr a\nincr a\nincr a\nincr a\nget a\ndecr a\n")
        while !client.backend.held.isEmpty { client.backend.release() }
        XCTAssertEqual(addends(client), [1, 4, 1, 1, 1, 1, nil, -1])
        let overflow = "-" + RESPFailure(Misfit.overflow).text
        let numbers = (0..<3).map { ":\(Int64.max - 2 + Int64($0))" }
        let lines = client.received().components(separatedBy: "\r\n")
        XCTAssertEqual(
            lines, numbers + [overflow, overflow, "$19", "\(Int64.max)", ":\(Int64.max - 1)", ""])
    }

    func testAdditionsWhoseAddendsDoNotFitAreNotSummed() throws {
        let client = try count(from: .min)
        client.send("incr a\nincrby a \(Int64.max)\nincrby a \(Int64.max)\nincr a\n")
        while !client.backend.held.isEmpty { client.backend.release() }
        XCTAssertEqual(addends(client), [1, .max, .max, 1], "neither pair has a sum")
        XCTAssertEqual(
            client.received(),
            ":\(Int64.min + 1)\r\n:0\r\n:\(Int64.max)\r\n-" + RESPFailure(Misfit.overflow).text + "\r\n")
    }

    /// Keys come and go in the table of what is under way, in any order.
    func testManyKeysInAnyOrderOfAnswers() throws {
        var random = SplitMix(state: 3)
        let client = try hold()
        var table = Set<String>()
        var expected = ""
        for _ in 0..<2000 {
            let key = "k\(Int.random(in: 0..<60, using: &random))"
            let isRead = Bool.random(using: &random)
            client.send(isRead ? "get \(key)\n" : "set \(key) x\n")
            expected += isRead ? "$\(key.utf8.count + 1)\r\nv\(key)\r\n" : "+OK\r\n"
            table.insert(key)
            while client.backend.held.count > 20 {
                client.backend.held.remove(at: Int.random(in: 0..<client.backend.held.count, using: &random))()
            }
        }
        while !client.backend.held.isEmpty {
            client.backend.held.remove(at: Int.random(in: 0..<client.backend.held.count, using: &random))()
        }
        XCTAssertEqual(client.received(), expected)
        var last: [Key: Int] = [:]
        for (index, asked) in client.backend.asked.enumerated() { last[asked.key] = index }
        XCTAssertEqual(last.count, table.count)
    }

    func testKeysOfOneCommandAreInOrderToo() throws {
        let client = try hold()
        client.send("mset a 1 b 2 a 3\nget b\n")
        XCTAssertEqual(client.backend.asked.count, 2, "the second of a, and the read of b, wait")
        for _ in 0..<4 { client.backend.release() }
        XCTAssertEqual(client.received(), "+OK\r\n$2\r\nvb\r\n")
        guard case .put(let put) = client.backend.asked.last(where: { $0.key == Key("a") })?.command else {
            return XCTFail("no put of a")
        }
        XCTAssertEqual(put.value, Array("3".utf8))
    }

    func testCommandsOnAllKeysWaitForWhatCameBefore() throws {
        let client = try hold()
        client.backend.keys = .success(7)
        client.send("set a 1\ndbsize\nget b\n")
        XCTAssertEqual(client.backend.asked.count, 1)
        XCTAssertTrue(client.backend.counted.isEmpty)
        client.backend.release()
        XCTAssertEqual(client.backend.counted, [.cluster])
        XCTAssertEqual(client.backend.asked.count, 2)
        client.backend.release()
        XCTAssertEqual(client.received(), "+OK\r\n:7\r\n$2\r\nvb\r\n")
    }

    /// A task takes the place of the command on several keys before it, so it must not begin before that has ended.
    func testCommandsOnAllKeysWaitForACommandOnSeveralKeys() throws {
        var options = RESPOptions()
        options.maximumInFlight = 4
        let client = try hold(options)
        client.backend.keys = .success(7)
        client.send("mget " + (0..<10).map { "k\($0)" }.joined(separator: " ") + "\ndbsize\n")
        for _ in 0..<10 {
            XCTAssertTrue(client.backend.counted.isEmpty)
            client.backend.release()
        }
        XCTAssertEqual(client.backend.counted, [.cluster])
        XCTAssertTrue(client.received().hasSuffix("vk9\r\n:7\r\n"))
    }

    func testAChangeOfVersionIsOfLaterRepliesOnly() throws {
        let client = try hold()
        client.backend.outcome = { _, _ in .absent }
        client.send("get a\nhello 3\nget b\n")
        for _ in 0..<2 { client.backend.release() }
        let reply = client.received()
        XCTAssertTrue(reply.hasPrefix("$-1\r\n%7\r\n"), reply)
        XCTAssertTrue(reply.hasSuffix("*0\r\n_\r\n"), reply)
    }

    // MARK: Bounds

    func testCommandsUnderWayAreBounded() throws {
        var options = RESPOptions()
        options.maximumInFlight = 4
        let client = try hold(options)
        let counter = ReadCounter()
        try client.channel.pipeline.syncOperations.addHandler(counter, position: .first)
        client.send((0..<10).map { "get k\($0)\n" }.joined())
        XCTAssertEqual(client.backend.asked.count, 4)
        client.channel.read()
        XCTAssertEqual(counter.reads, 0, "no more is read")
        for count in 5...10 {
            client.backend.release()
            XCTAssertEqual(client.backend.asked.count, count)
        }
        for _ in 0..<4 { client.backend.release() }
        XCTAssertEqual(counter.reads, 1)
        XCTAssertEqual(client.received().components(separatedBy: "$3").count, 11)
    }

    func testKeysOfOneCommandAreBoundedToo() throws {
        var options = RESPOptions()
        options.maximumInFlight = 4
        let client = try hold(options)
        client.send("mget " + (0..<50).map { "k\($0)" }.joined(separator: " ") + "\nget z\n")
        for _ in 0..<51 {
            XCTAssertLessThanOrEqual(client.backend.held.count, 4)
            client.backend.release()
        }
        XCTAssertTrue(client.received().hasSuffix("$4\r\nvk49\r\n$2\r\nvz\r\n"))
    }

    func testBytesUnderWayAreBounded() throws {
        var options = RESPOptions()
        options.maximumBytesInFlight = 1000
        let client = try hold(options)
        let value = String(repeating: "x", count: 600)
        client.send((0..<5).map { array("SET", "k\($0)", value) }.joined())
        XCTAssertEqual(client.backend.asked.count, 2)
        for _ in 0..<5 { client.backend.release() }
        XCTAssertEqual(client.backend.asked.count, 5)
        XCTAssertEqual(client.received(), String(repeating: "+OK\r\n", count: 5))
    }

    func testBytesOfRepliesAreBounded() throws {
        var options = RESPOptions()
        options.maximumPendingBytes = 2000
        let client = try RESPTestClient(options: options)
        client.backend.outcome = { _, _ in .found(.holding(String(repeating: "x", count: 900))) }
        client.send((0..<20).map { "get k\($0)\n" }.joined())
        XCTAssertEqual(client.backend.asked.count, 3, "what is to be sent is enough for now")
        XCTAssertEqual(client.received().components(separatedBy: "$900\r\n").count, 21, "all come in time")
    }

    /// Parts of one command wait for its end, which nothing else brings about: they must not wait for the room that
    /// they take.
    func testACommandOnSeveralKeysIsAnsweredWhateverItsSize() throws {
        var options = RESPOptions()
        options.maximumPendingBytes = 2000
        let client = try RESPTestClient(options: options)
        let value = String(repeating: "x", count: 900)
        client.backend.outcome = { _, _ in .found(.holding(value)) }
        client.send("mget " + (0..<20).map { "k\($0)" }.joined(separator: " ") + "\nping\n")
        XCTAssertEqual(
            client.received(), "*20\r\n" + String(repeating: "$900\r\n\(value)\r\n", count: 20) + "+PONG\r\n")
    }

    func testPartsUnderWayAreBoundedByWhatTheyMayBring() throws {
        var options = RESPOptions()
        options.maximumPendingBytes = 2000
        let client = try hold(options)
        client.backend.outcome = { _, _ in .found(.holding(String(repeating: "x", count: 900))) }
        client.send("mget " + (0..<20).map { "k\($0)" }.joined(separator: " ") + "\n")
        XCTAssertEqual(
            client.backend.held.count, 2, "before the first has come, each may be as large as a value may be")
        for _ in 0..<20 {
            client.backend.release()
            XCTAssertLessThanOrEqual(client.backend.held.count, 3)
        }
        XCTAssertTrue(client.received().hasPrefix("*20\r\n"))
    }

    func testWhatOneCommandGathersIsBounded() throws {
        var options = RESPOptions()
        options.maximumGatheredBytes = 5000
        let client = try RESPTestClient(options: options)
        client.backend.outcome = { _, _ in .found(.holding(String(repeating: "x", count: 900))) }
        client.send("mget " + (0..<50).map { "k\($0)" }.joined(separator: " ") + "\nping\n")
        XCTAssertEqual(
            client.received(),
            "-ERR the values have more than 5000 bytes together; ask for fewer keys at a time\r\n+PONG\r\n")
        XCTAssertLessThan(client.backend.asked.count, 30, "the rest is not asked for")
        XCTAssertTrue(client.exchange("mget a b c").hasPrefix("*3\r\n"))
    }

    func testNothingOfARefusedTransactionIsCarriedOut() throws {
        let client = try RESPTestClient()
        let refusal =
            "-ERR 'set' was not carried out: it is in a transaction, and MULTI was refused; EXEC or DISCARD ends it\r\n"
        client.send("multi\nset a 1\nset b 2\nexec\nset c 3\n")
        let replies = client.received().components(separatedBy: "\r\n")
        XCTAssertTrue(replies[0].hasPrefix("-ERR 'multi' is not supported: a transaction acts"), replies[0])
        XCTAssertEqual(replies[1] + "\r\n", refusal)
        XCTAssertEqual(replies[2] + "\r\n", refusal)
        XCTAssertEqual(replies[3], "-EXECABORT Transaction discarded because of previous errors.")
        XCTAssertEqual(client.backend.asked.map(\.key), [Key("c")])
        XCTAssertEqual(client.exchange("exec"), "-ERR EXEC without MULTI\r\n")
        XCTAssertEqual(client.exchange("discard"), "-ERR DISCARD without MULTI\r\n")
        client.send("multi\nget a\ndiscard\n")
        XCTAssertTrue(client.received().hasSuffix("ends it\r\n+OK\r\n"))
        client.send("multi\nreset\nget a\n")
        XCTAssertTrue(client.received().hasSuffix("+RESET\r\n$-1\r\n"))
        XCTAssertEqual(client.exchange("exec now"), "-ERR wrong number of arguments for 'exec' command\r\n")
    }

    /// An unknown subcommand is answered with "Try ... HELP".
    func testContainersExplainThemselves() throws {
        let client = try RESPTestClient()
        for name in ["CLIENT", "COMMAND", "CONFIG", "CLUSTER", "OBJECT"] {
            let help = client.exchange("\(name) help")
            XCTAssertTrue(help.hasPrefix("*"), help)
            XCTAssertTrue(help.contains("\(name) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"), help)
            XCTAssertTrue(help.contains("\r\nHELP\r\n"), help)
            XCTAssertTrue(client.exchange("\(name) nonsense").contains("Try \(name) HELP."))
        }
    }

    func testAFlushEndsWithItsConnectionAndWithItsNode() throws {
        for isStopping in [false, true] {
            let client = try hold()
            var options = RESPOptions()
            options.flushWidth = 4
            client.backend.page = .success(ListReply(entries: (0..<100).map { (Key("k\($0)"), nil) }, next: nil))
            client.send("flushall\n")
            let begun = client.backend.held.count
            XCTAssertGreaterThan(begun, 0)
            if isStopping {
                client.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            } else {
                try client.channel.close().wait()
            }
            let deletes = client.backend.asked.count
            while !client.backend.held.isEmpty { client.backend.release() }
            XCTAssertEqual(client.backend.asked.count, deletes, "no more is deleted")
            if isStopping { XCTAssertTrue(client.received().contains("keys remain"), "and it is told") }
        }
    }

    func testNothingIsBegunForAClientThatDoesNotRead() throws {
        let client = try RESPTestClient()
        client.channel.isWritable = false
        client.channel.pipeline.fireChannelWritabilityChanged()
        client.send("get a\nping\n")
        XCTAssertTrue(client.backend.asked.isEmpty)
        client.channel.isWritable = true
        client.channel.pipeline.fireChannelWritabilityChanged()
        XCTAssertEqual(client.received(), "$-1\r\n+PONG\r\n")
    }

    func testWhatIsTooLargeIsRefusedAndTheConnectionGoesOn() throws {
        let client = try RESPTestClient()
        client.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$70000\r\n")
        client.send(String(repeating: "x", count: 70_000) + "\r\n" + array("PING"))
        XCTAssertEqual(
            client.received(),
            "-ERR the value has 70000 bytes, over this cluster's limit of 1000 (limits.value); split it over several "
                + "keys\r\n+PONG\r\n")
    }

    func testLongPipelineDoesNotDeepenTheStack() throws {
        let client = try RESPTestClient()
        for _ in 0..<20 { client.send(String(repeating: array("GET", "a"), count: 5000)) }
        XCTAssertEqual(client.received().utf8.count, 100_000 * 5)
    }

    // MARK: Ends

    func testAProtocolErrorIsToldAfterWhatCameBefore() throws {
        let client = try hold()
        client.send("get a\n*1\r\nfoo\r\nget b\n")
        client.backend.release()
        XCTAssertEqual(client.received(), "$2\r\nva\r\n-ERR Protocol error: expected '$', got 'f'\r\n")
        XCTAssertEqual(client.backend.asked.count, 1)
        client.wait(.seconds(70))
        XCTAssertFalse(client.isOpen)
    }

    func testQuitIsAnsweredAndCloses() throws {
        let client = try RESPTestClient()
        client.send("ping\nquit\nping\n")
        XCTAssertEqual(client.received(), "+PONG\r\n+OK\r\n")
        client.wait(.seconds(70))
        XCTAssertFalse(client.isOpen)
    }

    func testForeignWordsEndTheConnection() throws {
        for word in ["post / HTTP/1.1", "Host: kv"] {
            let client = try RESPTestClient()
            XCTAssertEqual(client.exchange(word), "")
            client.wait(.seconds(70))
            XCTAssertFalse(client.isOpen)
        }
    }

    func testWhoClosesTheSendingHalfGetsAllReplies() throws {
        let client = try hold()
        client.send("get a\nget b\n")
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        client.backend.release()
        XCTAssertTrue(client.isOpen)
        client.backend.release()
        XCTAssertEqual(client.received(), "$2\r\nva\r\n$2\r\nvb\r\n")
        XCTAssertFalse(client.isOpen)
    }

    func testDrainingAnswersWhatIsUnderWay() throws {
        let idle = try RESPTestClient()
        idle.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        idle.wait(.seconds(70))
        XCTAssertFalse(idle.isOpen)

        let client = try hold()
        client.send("get a\nget b\n*1\r\n")
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        for _ in 0..<2 { client.backend.release() }
        XCTAssertEqual(client.received(), "$2\r\nva\r\n$2\r\nvb\r\n")
        client.wait(.seconds(70))
        XCTAssertFalse(client.isOpen)
    }

    func testHandlerIsReleasedWithItsConnection() throws {
        weak var released: FakeBackend?
        do {
            let client = try hold()
            released = client.backend
            client.send("get a\nset a 1\nincr a\nincr a\nmget b c\n")
            try client.channel.close().wait()
            client.backend.held = []
            client.channel.embeddedEventLoop.run()
        }
        XCTAssertNil(released)
    }

    func testRepliesAfterTheEndAreForNobody() throws {
        let client = try hold()
        client.send("get a\n")
        try client.channel.close().wait()
        client.backend.release()
        XCTAssertEqual(client.received(), "")
    }
}
