import KVCore

/// What a request asks for. The value of a `put` and the rest of a `change` are its body, which comes later.
enum HTTPRequest {
    /// `unless`: versions the client has already.
    case get(Key, RequestOptions, unless: EntityTags?)
    case put(Key, RequestOptions, Put)
    case delete(Key, RequestOptions, Condition)
    case list(ListRequest)
    case ring
    /// Where a key lives.
    case place(Key)
    case nodes
    case topology
    /// A change of membership, with its body still to come.
    case change(ChangeRequest, hasParameters: Bool, timeout: Nanoseconds)
    /// To the coordinator.
    case control(ControlRequest, timeout: Nanoseconds)
    case ping
    case live
    case ready
}

extension HTTPRequest {
    /// Bytes that its body may have.
    func bodyLimit(_ limits: RequestLimits) -> Int {
        if case .change = self { return ChangeRequest.maximumBody }
        return limits.value
    }

    func bodyTooLarge(_ limits: RequestLimits) -> HTTPFailure {
        if case .change = self { return ChangeRequest.bodyTooLarge }
        return .valueTooLarge(limit: limits.value)
    }
}

/// How a request's body ends.
enum BodyFraming: Equatable {
    case none
    /// Bytes, positive.
    case length(Int)
    case chunked
}
