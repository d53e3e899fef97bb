import KVCore

/// The statuses that the door answers with.
enum HTTPStatus {
    case ok, noContent, notModified
    case badRequest, forbidden, notFound, methodNotAllowed, requestTimeout, lengthRequired, conflict, preconditionFailed
    case contentTooLarge, targetTooLong, unsupportedMediaType, tooManyRequests, headersTooLarge
    case internalError, unavailable, gatewayTimeout

    /// The status line, line break included.
    var line: StaticString {
        switch self {
        case .ok: "HTTP/1.1 200 OK\r\n"
        case .noContent: "HTTP/1.1 204 No Content\r\n"
        case .notModified: "HTTP/1.1 304 Not Modified\r\n"
        case .badRequest: "HTTP/1.1 400 Bad Request\r\n"
        case .forbidden: "HTTP/1.1 403 Forbidden\r\n"
        case .notFound: "HTTP/1.1 404 Not Found\r\n"
        case .methodNotAllowed: "HTTP/1.1 405 Method Not Allowed\r\n"
        case .requestTimeout: "HTTP/1.1 408 Request Timeout\r\n"
        case .conflict: "HTTP/1.1 409 Conflict\r\n"
        case .lengthRequired: "HTTP/1.1 411 Length Required\r\n"
        case .preconditionFailed: "HTTP/1.1 412 Precondition Failed\r\n"
        case .contentTooLarge: "HTTP/1.1 413 Content Too Large\r\n"
        case .targetTooLong: "HTTP/1.1 414 URI Too Long\r\n"
        case .unsupportedMediaType: "HTTP/1.1 415 Unsupported Media Type\r\n"
        case .tooManyRequests: "HTTP/1.1 429 Too Many Requests\r\n"
        case .headersTooLarge: "HTTP/1.1 431 Request Header Fields Too Large\r\n"
        case .internalError: "HTTP/1.1 500 Internal Server Error\r\n"
        case .unavailable: "HTTP/1.1 503 Service Unavailable\r\n"
        case .gatewayTimeout: "HTTP/1.1 504 Gateway Timeout\r\n"
        }
    }

    /// Whether the client may send the same request again in a moment, nothing having been changed.
    var invitesRetry: Bool {
        switch self {
        case .tooManyRequests, .unavailable: true
        default: false
        }
    }
}

/// A request that did not do what it asked for: answered as `{"error": code, "message": message}`.
struct HTTPFailure: Error {
    var status: HTTPStatus
    /// `snake_case`; documented, so never changed.
    var code: StaticString
    /// What happened, to what, and what to do next.
    var message: String
    /// The methods that the target knows, for 405.
    var allow: StaticString?
    /// The version that a condition met, for 412.
    var version: Version?

    init(
        _ status: HTTPStatus, _ code: StaticString, _ message: String, allow: StaticString? = nil,
        version: Version? = nil
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.allow = allow
        self.version = version
    }

    static func bad(_ code: StaticString, _ message: String) -> Self { Self(.badRequest, code, message) }

    static func valueTooLarge(limit: Int) -> Self {
        Self(
            .contentTooLarge, "value_too_large",
            "the value is larger than this cluster's limit of \(limit) bytes (limits.value); split it over several keys"
        )
    }
}

extension HTTPFailure {
    static func absent(_ key: Key) -> Self {
        Self(.notFound, "not_found", "there is no key \(quoted(key)); PUT it first")
    }

    static func conditionFailed(_ version: Version?) -> Self {
        let met = version.map { "the key is at version \"\($0)\"" } ?? "the key is absent"
        return Self(
            .preconditionFailed, "condition_failed",
            "nothing was changed: \(met), which the condition does not allow; read the key and decide again",
            version: version)
    }

    init(_ refusal: Refusal) {
        switch refusal {
        case .noLeader:
            self.init(
                .unavailable, "no_leader",
                "nothing was changed: no majority of the key's replicas could be reached in time; "
                    + "see /v1/nodes for the nodes that are down, and try again")
        case .overloaded:
            self.init(
                .tooManyRequests, "overloaded",
                "nothing was changed: the node has as many requests in flight as it may hold; send fewer at once")
        case .diskFull:
            self.init(
                .unavailable, "disk_full",
                "nothing was changed: the disk of a replica is nearly full; free space there or delete keys "
                    + "(deletes and reads still work)")
        case .stopping:
            self.init(.unavailable, "stopping", "nothing was changed: the node is stopping; ask another node")
        case .notMember: self = .notMember
        case .noReplica:
            self.init(
                .unavailable, "no_replica",
                "none of the key's replicas answered in time with a copy that its disk can read; see /v1/nodes for the "
                    + "nodes that are down, and the nodes' logs for what their disks have spoiled, and try again")
        }
    }

    static var noRoomForAnswers: Self {
        Self(
            .tooManyRequests, "overloaded",
            "nothing was changed: the node holds as many bytes of answers for its clients as it may (limits.replies); "
                + "read answers as they come, and try again")
    }

    static var foreignOrigin: Self {
        Self(
            .forbidden, "foreign_origin",
            "a browser sent this for a page of another site (Origin); nothing was changed; use kv, curl or a page of "
                + "this host")
    }

    /// - Parameter message: the coordinator's.
    init(_ refusal: ControlRefusal, _ message: String) {
        switch refusal {
        case .noSuchNode: self.init(.notFound, "no_such_node", message)
        case .planUnderWay: self.init(.conflict, "plan_under_way", message)
        case .noPlan: self.init(.conflict, "no_plan", message)
        case .impossible: self.init(.conflict, "impossible", message)
        case .noCoordinator: self.init(.unavailable, "no_coordinator", message)
        }
    }

    static var unknownPlan: Self {
        Self(
            .gatewayTimeout, "outcome_unknown",
            "the coordinator did not answer in time: the change may have begun, or may yet; see /v1/plan before you "
                + "try again")
    }

    static var noCoordinator: Self {
        Self(
            .unavailable, "no_coordinator",
            "nothing was changed: the node that coordinates changes could not be reached in time; see /v1/nodes for "
                + "the nodes that are down, and try again")
    }

    static var notMember: Self {
        Self(
            .unavailable, "not_member",
            "this node is not a member of a cluster: if it waits to be admitted, ask a member to (kv join, or "
                + "POST /v1/nodes/ID/join); ask another node meanwhile")
    }

    init(_ uncertainty: Uncertainty) {
        let cause =
            switch uncertainty {
            case .timedOut: "the replicas did not answer in time"
            case .leaderLost: "the node that was carrying it out was lost"
            }
        self.init(
            .gatewayTimeout, "outcome_unknown",
            "\(cause): the change may have taken effect, or may yet; read the key before you try again")
    }
}

/// A key as messages show it: shortened, and without bytes that are not text.
func quoted(_ key: Key) -> String {
    let shown = 64
    let text = String(decoding: key.bytes.prefix(shown), as: UTF8.self)
    return "'\(text)\(key.bytes.count > shown ? "..." : "")'"
}
