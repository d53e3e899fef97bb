import KVModel

/// An answer as it came: its status, the header fields that mean something to this client, and its body.
package struct AnswerMessage: Sendable {
    package var status = 0
    /// The ETag; nil where there is none, or one that is not of this store.
    package var version: Version?
    /// The node that carried the request out; empty where it does not say.
    package var node = ""
    package var contentType = ""
    /// `KV-TTL`
    package var secondsToLive: UInt64?
    package var body: [UInt8] = []
    /// The connection carries no further answer.
    package var isLast = false
}

/// Bytes that are no answer, or one that cannot be told from what follows it.
package struct AnswerFault: Error, CustomStringConvertible {
    package var reason: String

    init(_ reason: String) { self.reason = reason }

    package var description: String { reason }

    static var notHTTP: Self { Self("it does not speak HTTP") }
}
