import KVWire
import Synchronization

/// A connection as other connections of the node see it: for CLIENT LIST. Written on its own event loop.
final class RESPClient: Sendable {
    let id: UInt64
    /// Its own address and this node's.
    let address: String
    let localAddress: String
    /// Milliseconds since 1970.
    let began: UInt64

    private struct Description {
        var name = ""
        var library = ""
        var libraryVersion = ""
        var isReadOnly = false
        var version = RESPVersion.resp2
        var command: RESPCommand?
    }

    private let description = Mutex(Description())
    /// Milliseconds since 1970 of its last request.
    private let active: Atomic<UInt64>

    init(id: UInt64, address: String, localAddress: String, began: UInt64) {
        self.id = id
        self.address = address
        self.localAddress = localAddress
        self.began = began
        active = Atomic(began)
    }

    var name: String { description.withLock { $0.name } }

    func setName(_ name: String) { description.withLock { $0.name = name } }

    func setLibrary(name: String) { description.withLock { $0.library = name } }

    func setLibrary(version: String) { description.withLock { $0.libraryVersion = version } }

    func setMode(_ version: RESPVersion, isReadOnly: Bool) {
        description.withLock { description in
            description.version = version
            description.isReadOnly = isReadOnly
        }
    }

    /// Called once for a turn of the event loop, not for each command.
    func touch(_ command: RESPCommand?, at wall: UInt64) {
        active.store(wall, ordering: .relaxed)
        description.withLock { $0.command = command }
    }

    /// Its line in CLIENT LIST. Clients look for all of Redis's fields; buffers are not counted by client here, and
    /// told as 0.
    func line(wall: UInt64) -> String {
        let description = description.withLock { $0 }
        let active = active.load(ordering: .relaxed)
        let fields: [(String, String)] = [
            ("id", "\(id)"), ("addr", address), ("laddr", localAddress), ("name", description.name),
            ("age", "\(seconds(from: began, to: wall))"), ("idle", "\(seconds(from: active, to: wall))"),
            ("flags", description.isReadOnly ? "r" : "N"), ("db", "0"), ("sub", "0"), ("psub", "0"), ("ssub", "0"),
            ("multi", "-1"), ("qbuf", "0"), ("qbuf-free", "0"), ("argv-mem", "0"), ("multi-mem", "0"), ("rbs", "0"),
            ("rbp", "0"), ("obl", "0"), ("oll", "0"), ("omem", "0"), ("tot-mem", "0"), ("events", "r"),
            ("cmd", description.command?.fullName ?? "NULL"),
            ("user", "default"), ("resp", "\(description.version.rawValue)"), ("lib-name", description.library),
            ("lib-ver", description.libraryVersion),
        ]
        return fields.map { "\($0)=\($1)" }.joined(separator: " ")
    }
}

private func seconds(from start: UInt64, to end: UInt64) -> UInt64 { end > start ? (end - start) / 1000 : 0 }
