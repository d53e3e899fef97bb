import KVModel

/// A node's answer to the request of the same number.
package struct AnswerFrame: Hashable, Sendable {
    package var number: UInt32
    /// The id of the node that executed the request, if it is not the one that answers: it leads the key.
    package var executor: String?
    package var content: Content

    package enum Content: Hashable, Sendable {
        case value(FoundValue)
        /// There is no such key.
        case absent
        /// The change was made, under this version; nil where nothing had to be changed.
        case written(Version?)
        /// The condition did not hold. Nothing was changed. The version is the key's; nil if it is absent.
        case conditionFailed(Version?)
        /// The result of an addition, which was made under this version.
        case integer(Int64, Version)
        case page(FoundPage)
        case failed(FailureCode, String)
        /// Not an answer to a request (its number is 0): the node is stopping. It answers what it has received, and
        /// executes nothing more of this connection. The text says why.
        case goingAway(String)
    }

    package init(number: UInt32, executor: String? = nil, _ content: Content) {
        self.number = number
        self.executor = executor
        self.content = content
    }
}

/// A value as clients see it.
package struct FoundValue: Hashable, Sendable {
    package var version: Version
    package var value: [UInt8]
    /// A media type; empty means `application/octet-stream`.
    package var contentType: String
    /// Milliseconds until it expires, as the node that answers sees it, at least 1; nil if it does not expire.
    package var milliseconds: UInt64?

    package init(version: Version, value: [UInt8], contentType: String = "", milliseconds: UInt64? = nil) {
        self.version = version
        self.value = value
        self.contentType = contentType
        self.milliseconds = milliseconds
    }
}

/// A page of a listing.
package struct FoundPage: Hashable, Sendable {
    package var entries: [Entry]
    /// Where the next page begins; nil after the last. UTF-8.
    package var cursor: [UInt8]?

    package struct Entry: Hashable, Sendable {
        package var key: Key
        /// Nil if values were not asked for.
        package var found: FoundValue?

        package init(key: Key, found: FoundValue?) {
            self.key = key
            self.found = found
        }
    }

    package init(entries: [Entry], cursor: [UInt8]?) {
        self.entries = entries
        self.cursor = cursor
    }
}

/// Why a request was not answered as it asked. The codes are on the wire and never change.
package enum FailureCode: UInt8, Hashable, Sendable, CaseIterable {
    // Nothing was changed.
    /// The request can never succeed as it is.
    case badRequest = 1
    case noLeader = 2
    case overloaded = 3
    case diskFull = 4
    case stopping = 5
    case noReplica = 6
    case notMember = 7
    /// The present value does not allow it: it is not an integer, say.
    case misfit = 8
    /// A fault of the node.
    case internalError = 9
    // The change may have taken effect, or may yet.
    case timedOut = 32
    case leaderLost = 33

    package init(_ refusal: Refusal) {
        self =
            switch refusal {
            case .noLeader: .noLeader
            case .overloaded: .overloaded
            case .diskFull: .diskFull
            case .stopping: .stopping
            case .noReplica: .noReplica
            case .notMember: .notMember
            }
    }

    package init(_ uncertainty: Uncertainty) {
        self =
            switch uncertainty {
            case .timedOut: .timedOut
            case .leaderLost: .leaderLost
            }
    }
}

/// What a node says of itself and of its limits, right after its preface.
package struct NodeHello: Hashable, Sendable {
    package var node: String
    /// Requests of one connection that it has under way; it reads no more of them at that number.
    package var inFlight: Int
    /// Bytes.
    package var key: Int
    /// Bytes.
    package var value: Int

    package init(node: String, inFlight: Int, key: Int, value: Int) {
        self.node = node
        self.inFlight = inFlight
        self.key = key
        self.value = value
    }
}
