import KVCore

/// What a request asks for. The value of a `put` is its body, which comes later.
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
    case ping
    case live
    case ready
}

/// How a request's body ends.
enum BodyFraming: Equatable {
    case none
    /// Bytes, positive.
    case length(Int)
    case chunked
}
