import KVCore

/// The statuses of answers.
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

    /// Whether nothing was changed and the client may send the same request again in a moment.
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
        Self(.notFound, "not_found", "there is no key \(key.quoted); PUT it first")
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
                FailureText.of(refusal, advice: "see /v1/nodes for the nodes that are down, and try again"))
        case .overloaded: self.init(.tooManyRequests, "overloaded", FailureText.of(refusal))
        case .diskFull: self.init(.unavailable, "disk_full", FailureText.of(refusal))
        case .stopping: self.init(.unavailable, "stopping", FailureText.of(refusal))
        case .notMember:
            self.init(
                .unavailable, "not_member",
                FailureText.of(
                    refusal,
                    advice:
                        "if it waits to be admitted, run kv join, or POST /v1/nodes/ID/join to a member; ask another "
                        + "node meanwhile"))
        case .noReplica:
            self.init(
                .unavailable, "no_replica",
                FailureText.of(
                    refusal,
                    advice: "see /v1/nodes for the nodes that are down, and the nodes' logs for what their disks have "
                        + "spoiled, and try again"))
        }
    }

    static var noRoomForAnswers: Self {
        Self(
            .tooManyRequests, "overloaded",
            FailureText.noRoomForReplies(advice: "read replies as they come, and try again"))
    }

    static var tooManyMeasurements: Self {
        Self(
            .tooManyRequests, "overloaded",
            "this node measures its load for \(NodeLoad.maximumMeasurements) others already; try again")
    }

    static var foreignOrigin: Self {
        Self(
            .forbidden, "foreign_origin",
            "a browser sent this for a page of another site (Origin); nothing was changed; use kv, curl or a page of "
                + "this host")
    }

    /// - Parameter message: the message of the coordinator.
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

    static var notMember: Self { Self(Refusal.notMember) }

    init(_ uncertainty: Uncertainty) {
        self.init(.gatewayTimeout, "outcome_unknown", FailureText.of(uncertainty))
    }

    static var unfitting: Self { Self(.internalError, "internal_error", FailureText.unfitting) }
}
