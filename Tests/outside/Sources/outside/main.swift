// Uses every call of the client library, against the node whose address is given: outside HOST PORT. It prints "done"
// if all did what they should.

import KVClient

let arguments = CommandLine.arguments
guard arguments.count == 3, let port = Int(arguments[2]) else { fatalError("outside HOST PORT") }
let endpoint = Address(host: arguments[1], port: port)

@MainActor
func check(_ holds: Bool, _ what: String, line: Int = #line) {
    guard !holds else { return }
    print("line \(line): \(what)")
    failures += 1
}

var failures = 0

/// A type of the program's own.
struct Point: ValueEncodable, ValueDecodable, Equatable {
    static var contentType: String { "text/x-point" }
    var x: Int
    var y: Int

    init(x: Int, y: Int) { (self.x, self.y) = (x, y) }

    func encodedValue() -> [UInt8] { Array("\(x) \(y)".utf8) }

    init(decodingValue bytes: [UInt8]) throws {
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
        guard parts.count == 2 else { throw NotAPoint() }
        self.init(x: parts[0], y: parts[1])
    }

    struct NotAPoint: Error {}
}

struct Session: Codable, Equatable {
    var user: String
    var pages: Int
}

@MainActor
func fails(_ code: KVError.Code, line: Int = #line, _ body: () async throws -> Void) async {
    do {
        try await body()
        check(false, "it was to fail with \(code)", line: line)
    } catch let error as KVError {
        check(error.code == code && error.effect == .none, error.debugDescription, line: line)
    } catch {
        check(false, "\(error)", line: line)
    }
}

var options = KVClientOptions()
options.timeout = .seconds(10)
options.connectTimeout = .seconds(2)
options.connectionsPerNode = 2
options.requestsPerConnection = 100
options.maximumWaiting = 1000
options.followsLeaders = true
let client = KVClient(endpoints: [endpoint], options: options)
client.addEndpoints([endpoint])

// Keys.
let version = try await client.put(
    "text", "hello", contentType: "text/x", lifetime: .seconds(100), condition: .ifAbsent)
let stored = try await client.get("text", consistency: .linearizable, timeout: .seconds(5))
check(stored?.text == "hello" && stored?.version == version && stored?.contentType == "text/x", "\(stored as Any)")
check(stored?.bytes == Array("hello".utf8) && stored?.timeToLive != nil, "\(stored as Any)")
check(Version("\(version)") == version, "a version is text too")
let replaced = try await client.put(Key([0, 255]), [1, 2, 3], timeout: .seconds(5))
try await client.put(Key([0, 255]), [4], condition: .ifVersion(replaced))
try await client.put(Key([0, 255]), [5], condition: .ifPresent)
await fails(.conditionFailed) { try await client.put("text", [], condition: .ifAbsent) }
check(try await client.get("text", as: String.self)?.value == "hello", "a text")
check(try await client.touch("text", lifetime: nil), "it is there")
check(try await client.delete("text", condition: .ifPresent), "it is there")
check(try await client.delete("text", timeout: .seconds(1)) == false, "it is gone")
check(try await client.increment("visits", by: 5, lifetime: .seconds(100)) == 5, "the first")
check(try await client.increment("visits") == 6, "the second")
try await client.put("point", Point(x: 1, y: 2))
check(try await client.get("point", as: Point.self, consistency: .stale)?.value == Point(x: 1, y: 2), "a point")
await fails(.unfit) { _ = try await client.get("visits", as: Point.self) }
try await client.put("session", JSON(Session(user: "a", pages: 1)))
let updated = try await client.update("session", as: JSON<Session>.self, attempts: 10) { session in
    session.map { JSON(Session(user: $0.value.user, pages: $0.value.pages + 1)) }
}
check(updated?.value == JSON(Session(user: "a", pages: 2)), "\(updated as Any)")

// Many keys.
let results = await client.batch(
    [.get("visits"), .put("b", [1], lifetime: .seconds(5)), .delete("b"), .get("nothing", consistency: .stale)],
    timeout: .seconds(5))
guard case .success(.value(let visits?)) = results[0], case .success(.written) = results[1],
    case .success(.deleted) = results[2], case .success(.value(nil)) = results[3]
else { fatalError("\(results)") }
check(visits.text == "6", "\(visits)")
let many = await client.getMany(["visits", "nothing"], consistency: .linearizable, timeout: .seconds(5))
check(try many["visits"]?.get()?.text == "6", "\(many)")
for index in 0..<50 { try await client.put(Key("list/\(index)"), index) }
var listed: Set<Key> = []
for try await entry in client.scan(prefix: "list/", values: true, pageSize: 7, timeout: .seconds(5)) {
    check(entry.value != nil && entry.version != nil, "\(entry)")
    listed.insert(entry.key)
}
check(listed.count == 50, "\(listed.count)")
let page = try await client.page(prefix: Array("list/".utf8), limit: 10)
check(page.entries.count == 10 && page.cursor != nil, "\(page)")
let next = try await client.page(prefix: Array("list/".utf8), cursor: page.cursor, limit: 1000, values: false)
check(next.entries.allSatisfy { !page.entries.contains($0) }, "each key once")

// The cluster.
let ring = try await client.ring()
check(ring.nodes.count == 1 && ring.assignments.count == ring.partitions, "\(ring.nodes)")
check(try await client.nodes().map(\.id) == ring.nodes.map(\.id), "the same nodes")
check(try await client.placement(of: "text").replicas == ring.nodes.map(\.id), "the only node")
check(try await client.load(over: .milliseconds(100)).shards.isEmpty == false, "a shard")
check(try await client.plan() == nil, "there is no plan")
check(try await client.splitPartitions(to: ring.partitions * 2, isDryRun: true) != nil, "a plan")
await fails(.badRequest) { try await client.change(MembershipChange(leaves: ["nobody"]), isDryRun: true) }
await fails(.noPlan) { try await client.pausePlan() }
await fails(.noPlan) { try await client.resumePlan() }
await fails(.noPlan) { try await client.cancelPlan() }

// A task that is cancelled before it begins.
let task = Task {
    while !Task.isCancelled { await Task.yield() }
    try await client.put("cancelled", "x")
}
task.cancel()
do {
    try await task.value
    check(false, "it was cancelled")
} catch {
    check(error is CancellationError, "\(error)")
}
check(try await client.get("cancelled") == nil, "nothing was changed")

await client.close()
await fails(.unreachable) { _ = try await client.get("text") }
guard failures == 0 else { fatalError("\(failures) checks failed") }
print("done")
