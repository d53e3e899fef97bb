import KVModel

/// An answer as it came: its status, the header fields that mean something to this client, and its body.
struct AnswerMessage: Sendable {
    var status = 0
    /// The ETag; nil where there is none, or one that is not of this store.
    var version: Version?
    /// The node that carried the request out; empty where it does not say.
    var node = ""
    var contentType = ""
    /// `KV-TTL`
    var secondsToLive: UInt64?
    var body: [UInt8] = []
    /// The connection carries no further answer.
    var isLast = false
}

/// Bytes that are no answer, or one that cannot be told from what follows it.
struct AnswerFault: Error {
    var reason: String

    init(_ reason: String) { self.reason = reason }

    static var notHTTP: Self { Self("it does not speak HTTP") }
}
