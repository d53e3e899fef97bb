import KVModel

/// An answer as it came: its status, the header fields that this client reads, and its body.
package struct AnswerMessage: Sendable {
    package var status = 0
    /// The ETag; nil if there is none, or if it is not a version.
    package var version: Version?
    /// The id of the node that executed the request (`KV-Node`); empty if the answer has none.
    package var node = ""
    package var contentType = ""
    /// The field `KV-TTL`; nil if the value does not expire.
    package var secondsToLive: UInt64?
    package var body: [UInt8] = []
    /// The server closes the connection after this answer.
    package var isLast = false
}

/// An error in the bytes of a connection: they are not an answer, or its end cannot be found.
package struct AnswerFault: Error, CustomStringConvertible {
    package var reason: String

    init(_ reason: String) { self.reason = reason }

    package var description: String { reason }

    static var notHTTP: Self { Self("it does not speak HTTP") }
}
