import KVCore
import KVWire

/// The state of a connection that its commands depend on and change, beside keys.
struct RESPSession {
    let server: RESPServer
    let client: RESPClient
    private(set) var version = RESPVersion.resp2
    /// Reads may be answered from any copy.
    private(set) var isReadOnly = false
    /// Whether `MULTI` was refused. Then nothing is carried out until the client sends `EXEC` or `DISCARD`, because it
    /// relies on all or nothing.
    private(set) var isTransactionRefused = false
    /// Whether the client has asked which node has which slots. Such a client asks each node for its part of all keys.
    private(set) var knowsMap = false
    /// The command under way, or the last.
    var command: RESPCommand?

    init(server: RESPServer, client: RESPClient) {
        self.server = server
        self.client = client
    }

    var limits: RequestLimits { server.limits }
    /// Bytes that one command may answer with; one value always fits.
    var gatheringLimit: Int {
        max(min(server.options.maximumGatheredBytes, server.budgets.share), 2 * max(limits.value, 0))
    }
    /// Milliseconds since 1970.
    var wall: UInt64 { server.wallClock() }

    mutating func setVersion(_ version: RESPVersion) {
        self.version = version
        client.setMode(version, isReadOnly: isReadOnly)
    }

    mutating func setReadOnly(_ isReadOnly: Bool) {
        self.isReadOnly = isReadOnly
        client.setMode(version, isReadOnly: isReadOnly)
    }

    /// Whether commands on all keys are about this node's share of them.
    var isAboutOwnShare: Bool {
        switch server.info.keyspace {
        case .auto: server.info.redirects || knowsMap
        case .cluster: false
        case .node: true
        }
    }

    mutating func toldMap() { knowsMap = true }

    mutating func refuseTransaction(_ isRefused: Bool) { isTransactionRefused = isRefused }

    /// Makes the session that of a new connection.
    mutating func reset() {
        isTransactionRefused = false
        knowsMap = false
        setVersion(.resp2)
        setReadOnly(false)
        client.setName("")
    }

    // MARK: Arguments

    func key(_ arguments: RESPArguments, _ index: Int) throws(RESPFailure) -> Key {
        let count = arguments[index].count
        guard count <= limits.key else { throw .keyTooLong(count, limit: limits.key) }
        return Key(arguments.array(index))
    }

    func value(_ arguments: RESPArguments, _ index: Int) throws(RESPFailure) -> [UInt8] {
        let count = arguments[index].count
        guard count <= limits.value else { throw .valueTooLong(count, limit: limits.value) }
        return arguments.array(index)
    }

    func integer(_ arguments: RESPArguments, _ index: Int) throws(RESPFailure) -> Int64 {
        guard let value = arguments.integer(index) else { throw .notAnInteger }
        return value
    }

    func update(
        _ change: Update.Change, requirement: Update.Requirement = .always, lifetime: Update.LifetimeChange = .keep,
        returnsPrevious: Bool = false
    ) -> Command {
        .update(
            Update(
                change, requirement: requirement, lifetime: lifetime, returnsPrevious: returnsPrevious,
                maximumLength: limits.value))
    }
}
