import Crypto

/// The secret that the members of a cluster share: whoever has it can take part in their failure detection.
package struct GossipSecret: Sendable {
    /// The fewest bytes of text in a secret.
    package static let minimumBytes = 16

    let key: SymmetricKey

    /// Nil when `text` has fewer than `minimumBytes` bytes of UTF-8. All of it counts, including spaces and line ends.
    package init?(_ text: String) {
        guard text.utf8.count >= Self.minimumBytes else { return nil }
        key = SymmetricKey(data: Array(text.utf8))
    }
}

extension GossipSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never contains the secret, so that no log does.
    package var description: String { "(secret)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
