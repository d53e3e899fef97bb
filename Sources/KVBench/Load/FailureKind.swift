/// The ways in which an operation can fail, as `kv` tells them apart.
package enum FailureKind: Int, CaseIterable, Sendable {
    /// Nothing was changed.
    case refused
    /// The change may have taken effect, or may do so later.
    case unknown
    /// The answer makes no sense, or a read got none.
    case other

    package var name: String { "\(self)" }
}
