// A first look at the client library: put, get, count with If-Match, expire, list.
//
//     make run                    # in one terminal: three nodes
//     swift run client-example    # in another
//
// Other addresses: swift run client-example HOST PORT

import KVClient

let arguments = CommandLine.arguments
let endpoint =
    arguments.count == 3
    ? Address(host: arguments[1], port: Int(arguments[2]) ?? 7401) : Address(host: "127.0.0.1", port: 7401)

// One client is enough for a whole program. It connects when it is first used, and finds the other nodes by itself.
let client = KVClient(endpoints: [endpoint])

do {
    // Values are bytes.
    let version = try await client.put(Key("greeting"), Array("hello, world".utf8))
    print("greeting is at version \(version)")
    if let value = try await client.get(Key("greeting")) { print("greeting is", value.text ?? "not text") }

    // This key expires after a minute.
    try await client.put(Key("session/42"), Array("alice".utf8), lifetime: .seconds(60))

    // Many tasks may count at once, and none is lost.
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<10 { group.addTask { try await increment(Key("visits")) } }
        try await group.waitForAll()
    }
    print("visits is", try await client.get(Key("visits"))?.text ?? "gone")

    // All keys under a prefix, however many, page by page.
    for try await entry in client.scan(prefix: "session/", values: true) {
        print("\(entry.key) is \(String(decoding: entry.value ?? [], as: UTF8.self))")
    }
} catch {
    switch error as? KVClientError {
    // A write may have been made or not. The program has to decide what to do then: here, nothing.
    case .unknown: print("outcome unknown: \(error)")
    // In all other cases nothing was changed.
    default: print("not done: \(error)")
    }
}
await client.close()

/// Adds 1 to a number, while others may do the same. It is written only if it has not changed since it was read.
func increment(_ key: Key) async throws {
    while true {
        let old = try await client.get(key)
        let number = old?.text.flatMap { Int($0) } ?? 0
        do throws(KVClientError) {
            try await client.put(
                key, Array("\(number + 1)".utf8), condition: old.map { .ifVersion($0.version) } ?? .ifAbsent)
            return
        } catch {
            // Another task was faster: read again.
            guard case .conditionFailed = error else { throw error }
        }
    }
}
