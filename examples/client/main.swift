// A first look at the client library: put, get, expire, count, change, list.
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
    // Values are bytes, texts, numbers, or what is Codable, as JSON.
    let version = try await client.put("greeting", "hello, world")
    print("greeting is at version \(version)")
    if let greeting = try await client.get("greeting", as: String.self) { print("greeting is", greeting.value) }

    // This key expires after a minute.
    try await client.put("session/42", JSON(Session(user: "alice", pages: 1)), lifetime: .seconds(60))

    // Many tasks may count at once, and none is lost.
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<10 { group.addTask { try await client.increment("visits") } }
        try await group.waitForAll()
    }
    print("visits is", try await client.get("visits", as: Int.self)?.value ?? 0)

    // Any change may depend on what was there: if another is faster, it is computed again.
    try await client.update("session/42", as: JSON<Session>.self) { session in
        session.map { JSON(Session(user: $0.value.user, pages: $0.value.pages + 1)) }
    }

    // Several keys at once; each has a result of its own.
    for (key, result) in await client.getMany(["greeting", "visits", "nothing"]) {
        print("\(key) is", try result.get()?.text ?? "not there")
    }

    // All keys under a prefix, however many, page by page.
    for try await entry in client.scan(prefix: "session/", values: true) {
        print("\(entry.key) is \(String(decoding: entry.value ?? [], as: UTF8.self))")
    }
} catch let error as KVError {
    switch error.effect {
    // A write may have been made or not. The program has to decide what to do then: here, nothing.
    case .unknown: print("outcome unknown: \(error)")
    case .none: print("not done: \(error)")
    }
}
await client.close()

struct Session: Codable {
    var user: String
    var pages: Int
}
