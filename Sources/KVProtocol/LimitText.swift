/// The sentences in which nodes, and clients that know a node's limits, tell of what is too long.
package enum LimitText {
    package static func keyTooLong(_ bytes: Int, limit: Int) -> String {
        "the key has \(bytes) bytes, over this cluster's limit of \(limit) (limits.key)"
    }

    package static func valueTooLong(_ bytes: Int, limit: Int) -> String {
        """
        the value has \(bytes) bytes, over this cluster's limit of \(limit) (limits.value); split it over several keys
        """
    }
}
