/// Why a node did not start or had to stop, for the person who runs it.
public struct NodeError: Error, CustomStringConvertible {
    public enum Kind: Sendable {
        /// The configuration or the data directory does not fit: the same again will not help.
        case badData
        /// The machine refused something: a port, a directory, a disk.
        case unavailable
    }

    public let kind: Kind
    /// What happened, to what, and what to do next; one line.
    public let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
