/// What an operation can end in but done: what `kv` tells its users apart.
package enum FailureKind: Int, CaseIterable, Sendable {
    /// Nothing was changed.
    case refused
    /// A change that may have taken effect, or may yet.
    case unknown
    /// An answer that makes no sense, or none to a read.
    case other

    package var name: String { "\(self)" }
}
