import Crypto

/// What the members of a cluster know and nobody else: whoever has it may speak in their failure detection.
package struct GossipSecret: Sendable {
    /// Bytes of text that a secret must have at least.
    package static let minimumBytes = 16

    let key: SymmetricKey

    /// Nil where `text` has fewer than `minimumBytes` bytes of UTF-8. All of it counts, spaces and line ends included.
    package init?(_ text: String) {
        guard text.utf8.count >= Self.minimumBytes else { return nil }
        key = SymmetricKey(data: Array(text.utf8))
    }
}

extension GossipSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never the secret, so that no log bears it.
    package var description: String { "(secret)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
