import KVCore

/// A request that has been parsed. Its body comes later: the value of a put, or the rest of a `change`.
enum HTTPRequest {
    case key(KeyRequest)
    case list(ListRequest)
    case ring
    /// Where a key lives.
    case place(Key)
    case nodes
    case topology
    /// What this node serves during this time.
    case load(over: Nanoseconds)
    /// A change of membership or of the number of partitions, with its body still to come.
    case change(ChangeRequest, hasParameters: Bool, timeout: Nanoseconds)
    /// To the coordinator.
    case control(ControlRequest, timeout: Nanoseconds)
    case ping
    case live
    case ready
}

extension HTTPRequest {
    /// How many bytes its body may have.
    func bodyLimit(_ limits: RequestLimits) -> Int {
        if case .change = self { return ChangeRequest.maximumBody }
        return limits.value
    }

    func bodyTooLarge(_ limits: RequestLimits) -> HTTPFailure {
        if case .change = self { return ChangeRequest.bodyTooLarge }
        return .valueTooLarge(limit: limits.value)
    }
}

/// A command on one key, of which a `Request` is made once the body has come.
struct KeyRequest {
    let key: Key
    private(set) var command: Command
    let options: RequestOptions
    /// Versions of the value that the client has already.
    var unless: EntityTags?

    init(_ command: Command, key: Key, options: RequestOptions, unless: EntityTags? = nil) {
        self.command = command
        self.key = key
        self.options = options
        self.unless = unless
    }

    /// The body is the value of a put; nothing else has one.
    mutating func take(_ body: [UInt8]) {
        guard case .put(var put) = command else { return }
        put.value = body
        command = .put(put)
    }
}

/// How a request's body ends.
enum BodyFraming: Equatable {
    case none
    /// The body has this many bytes, at least one.
    case length(Int)
    case chunked
}
