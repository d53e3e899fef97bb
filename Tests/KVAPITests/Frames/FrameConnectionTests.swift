import KVCore
import KVProtocol
import NIOCore
import NIOEmbedded
import XCTest

@testable import KVAPI

/// What requests of the client protocol do, which answers are whose, how a connection ends, and what is bounded.
final class FrameConnectionTests: XCTestCase {
    private func put(_ number: UInt32, _ key: String) -> RequestFrame {
        RequestFrame(number: number, timeout: 0, key: Key(key), operation: .put(Put(value: [1])))
    }

    private func code(_ content: AnswerFrame.Content) -> FailureCode? {
        if case .failed(let code, _) = content { code } else { nil }
    }

    // MARK: Operations

    func testTheNodeSaysWhoItIs() throws {
        let client = try FrameTestClient()
        XCTAssertEqual(client.hello, NodeHello(node: "n1", inFlight: 1024, key: 64, value: 1000))
    }

    func testWhatIsAskedOfTheNode() throws {
        let client = try FrameTestClient()
        let put = Put(
            value: [1], contentType: "text/plain", lifetime: .milliseconds(5), condition: .ifVersion(version(1, 2, 3)))
        _ = try client.exchange(.get(.stale), timeout: 250)
        _ = try client.exchange(.put(put))
        _ = try client.exchange(.delete(.ifPresent))
        _ = try client.exchange(.add(-3, lifetime: .keep))
        _ = try client.exchange(.touch(.set(.unlimited)))
        XCTAssertEqual(
            client.backend.asked.map(\.command),
            [
                .get, .put(put), .delete(.ifPresent), .update(Update(.add(-3), maximumLength: 1000)),
                .update(Update(.keep, lifetime: .set(.unlimited), maximumLength: 1000)),
            ])
        XCTAssertEqual(client.backend.asked[0].consistency, .stale)
        XCTAssertEqual(client.backend.asked[0].timeout, .milliseconds(250))
        XCTAssertEqual(client.backend.asked[1].consistency, .linearizable)
        XCTAssertEqual(client.backend.asked[1].timeout, RequestOptions.defaultTimeout)
    }

    func testWhatOutcomesAreAnsweredWith() throws {
        let client = try FrameTestClient()
        let found = Record(
            version: version(1, 2, 3), expiry: Expiry(milliseconds: FakeBackend.wall + 1500), value: [7],
            contentType: "a/b")
        let expired = Record(version: version(1, 2, 3), expiry: Expiry(milliseconds: 1), value: [])
        let cases: [(Outcome, AnswerFrame.Content)] = [
            (
                .found(found),
                .value(FoundValue(version: version(1, 2, 3), value: [7], contentType: "a/b", milliseconds: 1500))
            ),
            (.found(expired), .value(FoundValue(version: version(1, 2, 3), value: [], milliseconds: 1))),
            (.absent, .absent), (.written(version(4, 5, 6)), .written(version(4, 5, 6))),
            (.conditionFailed(nil), .conditionFailed(nil)),
            (.conditionFailed(version(4, 5, 6)), .conditionFailed(version(4, 5, 6))),
            (.updated(version(4, 5, 6), .applied(.integer(9))), .integer(9, version(4, 5, 6))),
            (.updated(version(4, 5, 6), .applied(.none)), .written(version(4, 5, 6))),
            (.updated(nil, .applied(.none)), .written(nil)), (.updated(nil, .notApplied(.none)), .absent),
        ]
        for (outcome, content) in cases {
            client.backend.outcome = { _, _ in outcome }
            XCTAssertEqual(try client.exchange(.get(.linearizable)), content)
        }
        let failures: [(Outcome, FailureCode)] =
            Refusal.allCases.map { (.refused($0), FailureCode($0)) }
            + Uncertainty.allCases.map { (.unknown($0), FailureCode($0)) }
            + Misfit.allCases.map { (.updated(nil, .misfit($0)), .misfit) } + [(.counted(1), .internalError)]
        for (outcome, expected) in failures {
            client.backend.outcome = { _, _ in outcome }
            XCTAssertEqual(code(try client.exchange(.get(.linearizable))), expected, "\(outcome)")
        }
    }

    func testTheNodeThatExecutedIsNamedWhereItIsAnother() throws {
        let client = try FrameTestClient()
        client.send(get(1, "k"))
        XCTAssertEqual(try client.received(), [AnswerFrame(number: 1, executor: "n2", .absent)])
    }

    func testWhatCanNeverSucceed() throws {
        let client = try FrameTestClient()
        let long = String(repeating: "k", count: 65)
        let bad: [(ClientOperation, String)] = [
            (.get(.linearizable), long), (.put(Put(value: [UInt8](repeating: 0, count: 1001))), "k"),
            (.put(Put(value: [], contentType: "none")), "k"), (.put(Put(value: [], contentType: "a/b\r\nx: y")), "k"),
            (.touch(.keep), "k"), (.list(ListPage(cursor: [], limit: 0, values: false)), ""),
            (.list(ListPage(cursor: [], limit: 1001, values: false)), ""),
            (.list(ListPage(cursor: [0x21], limit: 1, values: false)), ""),
        ]
        for (operation, key) in bad {
            XCTAssertEqual(code(try client.exchange(operation, key: key)), .badRequest, "\(operation)")
        }
        XCTAssertEqual(code(try client.exchange(.get(.linearizable), timeout: 300_001)), .badRequest)
        XCTAssertTrue(client.backend.asked.isEmpty)
        XCTAssertTrue(client.backend.listed.isEmpty)
        XCTAssertTrue(client.isOpen, "the next request has nothing to do with it")
    }

    func testPages() throws {
        let client = try FrameTestClient()
        let record = Record.holding("v")
        client.backend.page = .success(
            ListReply(entries: [(Key("a"), record), (Key("b"), nil)], next: ListCursor(after: Key("b"))))
        guard
            case .page(let page) = try client.exchange(.list(ListPage(cursor: [], limit: 7, values: true)), key: "p")
        else { return XCTFail("no page") }
        XCTAssertEqual(page.entries.map(\.key), [Key("a"), Key("b")])
        XCTAssertEqual(page.entries[0].found, FoundValue(version: record.version, value: Array("v".utf8)))
        let cursor = try XCTUnwrap(page.cursor)
        client.backend.page = .failure(ListFailure(refusal: .noLeader))
        let next = try client.exchange(.list(ListPage(cursor: cursor, limit: 7, values: false)), key: "p")
        XCTAssertEqual(code(next), .noLeader)
        XCTAssertEqual(client.backend.listed.map(\.prefix), [[0x70], [0x70]])
        XCTAssertEqual(client.backend.listed.map(\.limit), [7, 7])
        XCTAssertEqual(client.backend.listed.map(\.values), [true, false])
        XCTAssertEqual(client.backend.listed.map { $0.cursor?.key }, [nil, Key("b")])
        client.backend.cluster = nil
        XCTAssertEqual(
            code(try client.exchange(.list(ListPage(cursor: cursor, limit: 7, values: false)))), .notMember)
    }

    // MARK: Order

    func testAnswersComeAsRequestsEnd() throws {
        let client = try FrameTestClient()
        client.backend.isHolding = true
        client.backend.outcome = { _, key in .found(.holding("\(key)")) }
        client.send((1...5).map { get($0, "k\($0)") })
        let held = client.backend.held
        XCTAssertEqual(held.count, 5)
        for index in [3, 0] { held[index]() }
        XCTAssertEqual(try client.received().map(\.number), [4, 1])
        client.send(get(9, "k9"))
        client.backend.held.last?()
        held[2]()
        let answers = try client.received()
        XCTAssertEqual(answers.map(\.number), [9, 3])
        guard case .value(let value) = answers[1].content else { return XCTFail("\(answers)") }
        XCTAssertEqual(value.value, Array("k3".utf8))
    }

    func testAnswersOfOneTurnLeaveInOneWrite() throws {
        let client = try FrameTestClient()
        client.send((1...200).map { get($0, "k") })
        client.channel.embeddedEventLoop.run()
        _ = try XCTUnwrap(client.channel.readOutbound(as: ByteBuffer.self))
        XCTAssertNil(try client.channel.readOutbound(as: ByteBuffer.self))
    }

    /// A frame that comes byte by byte is the same frame.
    func testPieces() throws {
        let client = try FrameTestClient()
        var bytes = ByteBuffer()
        for number: UInt32 in 1...3 { put(number, "k\(number)").write(to: &bytes) }
        while let byte = bytes.readSlice(length: 1) { client.send(byte) }
        XCTAssertEqual(try client.received().map(\.number), [1, 2, 3])
    }

    // MARK: The end

    func testVersionsThatAreNotSpoken() throws {
        for (preface, answer) in [([0x4B, 0x56, 0, 2, 9, 13, 10], [0x4B, 0x56, 0, 0])] as [([UInt8], [UInt8])] {
            let client = try FrameTestClient(greets: false)
            client.send(ByteBuffer(bytes: preface))
            XCTAssertEqual(client.receivedBytes(), answer)
            XCTAssertFalse(client.isOpen && client.channel.isWritable && !client.backend.asked.isEmpty)
        }
    }

    func testWhatCannotBeToldApartEndsTheConnection() throws {
        for bytes in [
            [0xFF, 0xFF, 0xFF, 0xFF], [2, 0, 0, 0, 1, 1],
            [14, 0, 0, 0, 7, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] as [[UInt8]] {
            let client = try FrameTestClient()
            client.backend.isHolding = true
            client.send(get(1, "k"))
            client.send(ByteBuffer(bytes: bytes))
            guard case .goingAway? = try client.received().first?.content else { return XCTFail("\(bytes)") }
            client.send(get(2, "k"))
            XCTAssertEqual(client.backend.asked.count, 1, "nothing more is taken")
            client.backend.release()
            XCTAssertEqual(try client.received().map(\.number), [1], "what was taken is answered")
            client.wait(.seconds(6))
            XCTAssertFalse(client.isOpen)
        }
    }

    func testANodeThatStops() throws {
        let client = try FrameTestClient()
        client.backend.isHolding = true
        client.send(get(1, "k"))
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        guard case .goingAway? = try client.received().first?.content else { return XCTFail("it was not told") }
        client.send(get(2, "k"))
        XCTAssertEqual(code(try XCTUnwrap(client.received().first).content), .stopping)
        XCTAssertEqual(client.backend.asked.count, 1, "it was not executed")
        client.wait(.seconds(2))
        XCTAssertTrue(client.isOpen, "a request is under way")
        client.backend.release()
        XCTAssertEqual(try client.received().map(\.number), [1])
        client.wait(.seconds(2))
        XCTAssertFalse(client.isOpen)
    }

    /// A client that does not read does not hold up the end, nor does the wait for it take the event loop.
    func testANodeThatStopsBeforeAClientThatDoesNotRead() throws {
        let client = try FrameTestClient()
        client.send(get(1, "k"))
        client.channel.isWritable = false
        client.channel.pipeline.fireChannelWritabilityChanged()
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        client.wait(.milliseconds(600))
        client.wait(.seconds(10))
        XCTAssertFalse(client.isOpen)
    }

    /// While something is under way, there is no deadline of the farewell that could have passed.
    func testAPageUnderWayWhileTheNodeStops() throws {
        let client = try FrameTestClient(replies: 1 << 20)
        client.budget.charge(1 << 20)
        client.send(
            RequestFrame(
                number: 5, timeout: 2000, key: Key(""),
                operation: .list(ListPage(cursor: [], limit: 7, values: true))))
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        client.wait(.milliseconds(1900))
        XCTAssertTrue(client.isOpen)
        client.wait(.milliseconds(200))
        XCTAssertEqual(try client.received().map(\.number), [0, 5])
        client.wait(.seconds(2))
        XCTAssertFalse(client.isOpen)
        client.budget.charge(-(1 << 20))
        XCTAssertEqual(client.budget.used, 0)
    }

    func testAClientThatHasNothingMoreToSay() throws {
        let client = try FrameTestClient()
        client.backend.isHolding = true
        client.send(get(1, "k"))
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        XCTAssertTrue(client.isOpen)
        client.backend.release()
        XCTAssertEqual(try client.received().map(\.number), [1])
        XCTAssertFalse(client.isOpen)
    }

    // MARK: Limits

    func testNoMoreIsBegunThanMayBeUnderWay() throws {
        var options = FrameOptions()
        options.maximumInFlight = 10
        let client = try FrameTestClient(options: options)
        client.backend.isHolding = true
        client.send((1...30).map { get($0, "k\($0)") })
        XCTAssertEqual(client.backend.asked.count, 10)
        client.backend.release()
        _ = try client.received()
        XCTAssertEqual(client.backend.asked.count, 11)
        while !client.backend.held.isEmpty { client.backend.release() }
        XCTAssertEqual(client.backend.asked.count, 30)
        XCTAssertEqual(try client.received().count, 29)
        XCTAssertEqual(client.budget.used, 0)
    }

    /// Reads are counted as what came lately. Values that are much larger are dropped, and read again one by one.
    func testValuesLargerThanExpectedAreDroppedAndReadAgain() throws {
        var options = FrameOptions()
        options.maximumPendingBytes = 200_000
        let backend = FakeBackend()
        backend.limits.value = 100_000
        let client = try FrameTestClient(backend, options: options)
        client.send(get(1, "small"))
        _ = try client.received()
        backend.isHolding = true
        let value = String(repeating: "x", count: 60_000)
        backend.outcome = { _, _ in .found(.holding(value)) }
        client.send((1...50).map { get($0, "k\($0)") })
        XCTAssertEqual(backend.held.count, 50, "as answers were small")
        let held = backend.held
        backend.held = []
        for answer in held {
            answer()
            XCTAssertLessThan(client.budget.used, 300_000)
        }
        var numbers: Set<UInt32> = []
        for _ in 0..<200 {
            for answer in try client.received() {
                guard case .value(let found) = answer.content, found.value.count == 60_000 else {
                    return XCTFail("\(answer.number)")
                }
                numbers.insert(answer.number)
            }
            XCTAssertLessThan(client.budget.used, 300_000)
            if backend.held.isEmpty { break }
            backend.release()
        }
        XCTAssertEqual(numbers, Set(1...50))
        XCTAssertEqual(client.budget.used, 0)
    }

    /// A page with values needs room in the budget, and does not wait for it for ever.
    func testAPageWaitsForRoom() throws {
        let client = try FrameTestClient(replies: 1 << 20)
        client.budget.charge(1 << 20)
        client.send(
            RequestFrame(
                number: 5, timeout: 100, key: Key(""),
                operation: .list(ListPage(cursor: [], limit: 7, values: true))))
        XCTAssertTrue(client.backend.listed.isEmpty)
        client.wait(.milliseconds(150))
        XCTAssertEqual(code(try XCTUnwrap(client.received().first).content), .overloaded)
        client.send(
            RequestFrame(
                number: 6, timeout: 0, key: Key(""), operation: .list(ListPage(cursor: [], limit: 7, values: true))))
        client.budget.charge(-(1 << 20))
        XCTAssertEqual(try client.received().map(\.number), [6])
        XCTAssertEqual(client.budget.used, 0)
    }

    /// Both are answered, though the client has given them one number, and what they held is given back.
    func testPagesOfOneNumber() throws {
        let client = try FrameTestClient()
        for values in [true, false] {
            client.send(
                RequestFrame(
                    number: 5, timeout: 0, key: Key(""),
                    operation: .list(ListPage(cursor: [], limit: 7, values: values))))
        }
        XCTAssertEqual(try client.received().map(\.number), [5, 5])
        XCTAssertEqual(client.budget.used, 0)
    }

    /// Pages without values do not wait for room behind one with values.
    func testPagesWithoutValuesGoFirst() throws {
        let client = try FrameTestClient(replies: 1 << 20)
        client.budget.charge(1 << 20)
        for (number, values) in [(1, true), (2, false)] as [(UInt32, Bool)] {
            client.send(
                RequestFrame(
                    number: number, timeout: 0, key: Key(""),
                    operation: .list(ListPage(cursor: [], limit: 7, values: values))))
        }
        XCTAssertEqual(try client.received().map(\.number), [2])
        client.budget.charge(-(1 << 20))
        XCTAssertEqual(try client.received().map(\.number), [1])
    }

    func testAClientThatDoesNotReadIsCutOff() throws {
        let client = try FrameTestClient()
        client.send(get(1, "k"))
        _ = try client.received()
        client.channel.isWritable = false
        client.channel.pipeline.fireChannelWritabilityChanged()
        client.wait(.seconds(14))
        XCTAssertTrue(client.isOpen)
        client.wait(.seconds(20))
        XCTAssertFalse(client.isOpen)
    }
}
