import Foundation
import KVCore
import Synchronization
import XCTest

/// Clients that put, read, conditionally change and delete a few keys through all nodes. Each has a thread and a
/// connection of its own, and records the answers. `check` then checks that the history of each key is linearizable.
final class Load: Sendable {
    /// Microseconds between two requests of a client, so that the machine has time for the nodes.
    private static let pause: UInt32 = 2000

    let prefix: String
    private let keys: Int
    private let nodes: [TestCluster.Node]
    private let connector: @Sendable (TestCluster.Node) throws -> RawConnection
    private let isStopped = Atomic(false)
    private let events = Mutex<[Event]>([])
    private let running = DispatchGroup()

    /// - Parameter prefix: The beginning of the keys. Nobody else may use such keys.
    init(_ cluster: TestCluster, prefix: String, keys: Int = 40) {
        self.prefix = prefix
        self.keys = keys
        nodes = cluster.nodes
        connector = cluster.connector
    }

    deinit { isStopped.store(true, ordering: .relaxed) }

    func name(_ key: Int) -> String { "\(prefix)\(key)" }

    // MARK: Running

    /// - Parameter clients: The number of clients at each node.
    func start(clients: Int = 2, at ids: [String]? = nil) {
        let chosen = nodes.filter { ids?.contains($0.id) ?? true }
        let workers = chosen.flatMap { node in (0..<clients).map { _ in node } }
        for (index, node) in workers.enumerated() {
            running.enter()
            let thread = Thread { [self] in
                work(Client(node: node, prefix: prefix, number: index + 1, connector))
                running.leave()
            }
            thread.start()
        }
    }

    /// Stops the clients, and waits until they have their answers.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        running.wait()
    }

    private func work(_ client: Client) {
        var random = SplitMix(seed: UInt64(client.number))
        var seen: [Int: Version] = [:]
        while !isStopped.load(ordering: .relaxed) {
            let key = Int.random(in: 0..<keys, using: &random)
            let event: Event
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4: event = client.perform(.get, key)
            case 4..<7: event = client.perform(.put(client.nextWrite()), key)
            case 7..<9:
                let action =
                    seen[key].map { Action.change(client.nextWrite(), from: $0) } ?? .create(client.nextWrite())
                event = client.perform(action, key)
            default: event = client.perform(.delete, key)
            }
            seen[key] = event.outcome.version
            events.withLock { $0.append(event) }
            usleep(Self.pause)
        }
    }

    /// Reads every key through a node, as part of the history.
    func readAll(at ids: [String]) throws {
        for (index, node) in nodes.enumerated() where ids.contains(node.id) {
            let client = Client(node: node, prefix: prefix, number: 1000 + index, connector)
            for key in 0..<keys {
                let event = client.perform(.get, key)
                if !event.outcome.isDone { throw Unexpected("\(event)") }
                events.withLock { $0.append(event) }
            }
        }
    }

    // MARK: The history

    var all: [Event] { events.withLock { $0 }.sorted { $0.invoked < $1.invoked } }

    /// The requests that were made between two times.
    func events(from begin: Double, to end: Double = .infinity) -> [Event] {
        all.filter { $0.invoked >= begin && $0.invoked < end }
    }

    /// Checks that the history of every key is linearizable, and that refused writes have left no trace.
    func check(file: StaticString = #filePath, line: UInt = #line) {
        let events = all
        XCTAssertGreaterThan(events.filter(\.outcome.isDone).count, 100, "too little to tell", file: file, line: line)
        for (key, history) in Dictionary(grouping: events, by: \.key) {
            for problem in KeyHistory(history).problems() {
                let lines = history.map { "\($0)" }.joined(separator: "\n")
                XCTFail("\(name(key)): \(problem)\n\(lines)", file: file, line: line)
            }
        }
    }
}

extension Load {
    enum Action: Sendable {
        case get
        case put(Int)
        case create(Int)
        case change(Int, from: Version)
        case delete

        /// The number of the write; nil if the action writes nothing.
        var write: Int? {
            switch self {
            case .get, .delete: nil
            case .put(let write), .create(let write), .change(let write, _): write
            }
        }
    }

    enum Outcome: Sendable {
        case found(Int, Version)
        case absent
        case written(Version)
        case deleted
        case conditionFailed(Version?)
        /// Nothing was changed.
        case refused(String)
        case unknown(String)

        var isDone: Bool {
            switch self {
            case .found, .absent, .written, .deleted, .conditionFailed: true
            case .refused, .unknown: false
            }
        }

        var version: Version? {
            switch self {
            case .found(_, let version), .written(let version): version
            case .conditionFailed(let version): version
            case .absent, .deleted, .refused, .unknown: nil
            }
        }
    }

    /// A request and its outcome. Times are seconds of `Time`.
    struct Event: Sendable, CustomStringConvertible {
        var node: String
        var key: Int
        var action: Action
        var invoked: Double
        var completed: Double
        var outcome: Outcome

        var duration: Double { completed - invoked }
        var isRead: Bool { if case .get = action { true } else { false } }

        var description: String {
            String(format: "%.3f-%.3f ", invoked, completed) + "\(node) \(key): \(action) -> \(outcome)"
        }
    }

    /// A client. Its connection to one node is made again when it breaks.
    private final class Client {
        let node: TestCluster.Node
        let prefix: String
        let number: Int
        private var connection: RawConnection?
        private var writes = 0

        private let connector: (TestCluster.Node) throws -> RawConnection

        init(
            node: TestCluster.Node, prefix: String, number: Int,
            _ connector: @escaping (TestCluster.Node) throws -> RawConnection
        ) {
            self.connector = connector
            self.node = node
            self.prefix = prefix
            self.number = number
        }

        /// The next number of a write. No two writes of any clients have the same.
        func nextWrite() -> Int {
            writes += 1
            return number * 1_000_000 + writes
        }

        func perform(_ action: Action, _ key: Int) -> Event {
            let invoked = Time.now
            let outcome = attempt(action, key)
            return Event(
                node: node.id, key: key, action: action, invoked: invoked, completed: Time.now, outcome: outcome)
        }

        private func attempt(_ action: Action, _ key: Int) -> Outcome {
            do {
                connection = try connection ?? connector(node)
            } catch {
                usleep(10_000)
                return .refused("\(error)")
            }
            do {
                guard let answer = try send(action, "/v1/kv/\(prefix)\(key)") else { return .refused("no connection") }
                if answer.headers["connection"] == "close" { connection = nil }
                return Self.outcome(action, answer)
            } catch {
                connection = nil
                // A read that was cut off has changed nothing.
                if case .get = action { return .refused("\(error)") }
                return .unknown("\(error)")
            }
        }

        private func send(_ action: Action, _ target: String) throws -> RawConnection.Answer? {
            guard let connection else { return nil }
            switch action {
            case .get: return try connection.request("GET", target)
            case .delete: return try connection.request("DELETE", target)
            case .put(let write): return try connection.request("PUT", target, body: Self.value(write))
            case .create(let write):
                return try connection.request(
                    "PUT", target, headers: ["If-None-Match": "*"], body: Self.value(write))
            case .change(let write, let version):
                return try connection.request(
                    "PUT", target, headers: ["If-Match": "\"\(version)\""], body: Self.value(write))
            }
        }

        /// A value that names its write, with a length that depends on it.
        private static func value(_ write: Int) -> [UInt8] {
            Array("\(write) ".utf8) + [UInt8](repeating: UInt8(write % 251), count: write * 37 % 1500)
        }

        private static func outcome(_ action: Action, _ answer: RawConnection.Answer) -> Outcome {
            let version = answer.headers["etag"].flatMap { Version($0.replacingOccurrences(of: "\"", with: "")) }
            switch (answer.status, action.write) {
            case (200, nil):
                let text = String(decoding: answer.body.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
                guard let write = Int(text), value(write) == answer.body, let version else {
                    return .found(-1, .zero)
                }
                return .found(write, version)
            case (404, nil): return .absent
            case (204, nil): return .deleted
            case (204, .some): return version.map { .written($0) } ?? .unknown("204 without an ETag")
            case (412, .some): return .conditionFailed(version)
            case (503, _), (429, _): return .refused("\(answer.status) \(answer.error)")
            default:
                // A read changes nothing, however it ends.
                if case .get = action { return .refused("\(answer.status) \(answer.error)") }
                return .unknown("\(answer.status) \(answer.error)")
            }
        }
    }
}
