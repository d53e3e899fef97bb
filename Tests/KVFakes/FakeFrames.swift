import KVModel
import KVProtocol
import NIOCore
import NIOHTTP1

/// The client protocol of a `FakeNode`.
final class FakeFrames: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: Int
    private let log: FakeNode.Log
    private let answer: @Sendable (FakeNode.Request) -> FakeNode.Reply
    private var reader = FrameReader(limit: 1 << 28)
    private var isOpen = false
    private var waiting = 0

    init(
        _ connection: Int, _ log: FakeNode.Log, _ answer: @escaping @Sendable (FakeNode.Request) -> FakeNode.Reply
    ) {
        self.connection = connection
        self.log = log
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reader.append(unwrapInboundIn(data))
        do throws(FrameError) {
            if !isOpen {
                guard let version = try reader.preface(Preface.readClient) else { return }
                isOpen = true
                var greeting = ByteBuffer()
                Preface.writeNode(version, to: &greeting)
                NodeHello(node: "n1", inFlight: 1024, key: 1024, value: 1 << 20).write(to: &greeting)
                context.writeAndFlush(wrapOutboundOut(greeting), promise: nil)
            }
            while let bytes = try reader.next() { take(try RequestFrame(reading: bytes), context) }
        } catch {
            context.close(promise: nil)
        }
    }

    private func take(_ frame: RequestFrame, _ context: ChannelHandlerContext) {
        let request = FakeNode.Request(frame, connection)
        log.add(request)
        waiting += 1
        log.waiting(waiting)
        perform(answer(request), frame, context)
    }

    private func perform(_ reply: FakeNode.Reply, _ frame: RequestFrame, _ context: ChannelHandlerContext) {
        switch reply {
        case .status(let status, let headers, let body):
            waiting -= 1
            var bytes = ByteBuffer()
            AnswerFrame(number: frame.number, status, headers, body, to: frame.operation).write(to: &bytes)
            context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        case .last(let status, let headers, let body):
            var bytes = ByteBuffer()
            AnswerFrame(number: 0, .goingAway("it stops")).write(to: &bytes)
            context.write(wrapOutboundOut(bytes), promise: nil)
            perform(.status(status, headers, body), frame, context)
        case .raw(let text): context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        case .close: context.close(promise: nil)
        case .silence: break
        case .held(let gate, let then):
            gate.opened.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
                if context.channel.isActive { self.perform(then, frame, context) }
            }
        }
    }
}

extension FakeNode.Request {
    /// The request of HTTP that does the same.
    init(_ frame: RequestFrame, _ connection: Int) {
        let key = String(decoding: PercentEncoding.encoded(frame.key.bytes), as: UTF8.self)
        var parameters: [String] = []
        var condition = Condition.always
        var body: [UInt8] = []
        var headers = HTTPHeaders()
        let method: String
        switch frame.operation {
        case .get(let consistency):
            method = "GET"
            if consistency == .stale { parameters.append("consistency=stale") }
        case .put(let put):
            method = "PUT"
            (condition, body) = (put.condition, put.value)
            if case .milliseconds(let span) = put.lifetime { parameters.append("ttl=\(span)ms") }
            if !put.contentType.isEmpty { headers.add(name: "content-type", value: put.contentType) }
        case .delete(let given):
            method = "DELETE"
            condition = given
        case .add(let addend, _):
            method = "ADD"
            parameters.append("by=\(addend)")
        case .touch: method = "TOUCH"
        case .list(let page):
            method = "GET"
            parameters = ["prefix=\(key)", "limit=\(page.limit)"]
            if !page.cursor.isEmpty { parameters.append("cursor=\(String(decoding: page.cursor, as: UTF8.self))") }
            if page.values { parameters.append("values=true") }
        }
        switch condition {
        case .always: break
        case .ifAbsent: headers.add(name: "if-none-match", value: "*")
        case .ifPresent: headers.add(name: "if-match", value: "*")
        case .ifVersion(let version): headers.add(name: "if-match", value: "\"\(version)\"")
        }
        parameters.append("timeout=\(frame.timeout)ms")
        let path = if case .list = frame.operation { "/v1/kv" } else { "/v1/kv/\(key)" }
        self.init(
            line: "\(method) \(path)?\(parameters.joined(separator: "&"))", headers: headers, body: body,
            connection: connection)
    }
}

extension AnswerFrame {
    /// The answer that says the same as one of HTTP.
    fileprivate init(
        number: UInt32, _ status: Int, _ headers: [String: String], _ body: String, to operation: ClientOperation
    ) {
        let version = headers["ETag"].flatMap { Version(String($0.dropFirst().dropLast())) }
        let content: Content
        switch (status, operation) {
        case (200, .get):
            let found = FoundValue(
                version: version ?? Version("1.1.1") ?? .zero, value: Array(body.utf8),
                contentType: headers["Content-Type"] ?? "",
                milliseconds: headers["KV-TTL"].flatMap { UInt64($0) }.map { $0 > .max / 1000 ? .max : $0 * 1000 })
            content = .value(found)
        case (200, .list): content = .page(FoundPage(entries: [], cursor: body.isEmpty ? nil : Array(body.utf8)))
        case (200, .add): content = .integer(Int64(body) ?? 0, version ?? .zero)
        case (204, _): content = .written(version)
        case (404, _): content = .absent
        case (412, _): content = .conditionFailed(version)
        case (400, _), (413, _): content = .failed(.badRequest, Self.message(body))
        case (504, _): content = .failed(.timedOut, Self.message(body))
        case (500, _): content = .failed(.internalError, Self.message(body))
        default: content = .failed(Self.code(body), Self.message(body))
        }
        self.init(number: number, executor: headers["KV-Node"], content)
    }

    private static func code(_ body: String) -> FailureCode {
        let codes: [(String, FailureCode)] = [
            ("no_leader", .noLeader), ("disk_full", .diskFull), ("stopping", .stopping), ("no_replica", .noReplica),
            ("not_member", .notMember),
        ]
        return codes.first { body.contains("\"\($0.0)\"") }?.1 ?? .overloaded
    }

    /// The message of `{"error":"...","message":"..."}`.
    private static func message(_ body: String) -> String {
        guard let start = body.firstRange(of: "\"message\":\"")?.upperBound else { return body }
        return String(body[start...].prefix { $0 != "\"" }).replacing("\\n", with: "\n")
    }
}
