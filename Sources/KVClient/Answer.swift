import KVModel
import KVProtocol

/// A node's answer, and its meaning for the request.
struct Answer: Sendable {
    enum Content: Sendable {
        /// To an operation.
        case operation(AnswerFrame.Content)
        /// To a call; or to an operation over HTTP, if it is an error or the server is not a `kv` node.
        case call(AnswerMessage)
    }

    var endpoint: Address
    /// The id of the node that executed the request; empty if it does not say.
    var node: String
    var content: Content

    /// An answer over HTTP.
    init(endpoint: Address, _ message: AnswerMessage, to request: Request) {
        self.endpoint = endpoint
        node = message.node
        if case .operation(_, let operation) = request.kind,
            let content = AnswerFrame.Content(message, to: operation)
        {
            self.content = .operation(content)
        } else {
            content = .call(message)
        }
    }

    init(endpoint: Address, node: String, _ content: AnswerFrame.Content) {
        self.endpoint = endpoint
        self.node = node
        self.content = .operation(content)
    }

    /// The error that an answer other than a success stands for.
    func failure(of request: Request) -> KVClientError {
        switch content {
        case .operation(let content): operationFailure(content, request)
        case .call(let message): callFailure(message, request)
        }
    }

    private func operationFailure(_ content: AnswerFrame.Content, _ request: Request) -> KVClientError {
        switch content {
        case .conditionFailed(let version): .conditionFailed(version)
        case .failed(let code, let message):
            switch code {
            case .badRequest, .misfit: .badRequest(message)
            case .noLeader: .refused(code: "no_leader", message: message)
            case .overloaded: .refused(code: "overloaded", message: message)
            case .diskFull: .refused(code: "disk_full", message: message)
            case .stopping: .refused(code: "stopping", message: message)
            case .noReplica: .refused(code: "no_replica", message: message)
            case .notMember: .refused(code: "not_member", message: message)
            case .timedOut, .leaderLost: .unknown(message)
            case .internalError: request.mayRepeat ? .unreachable(message) : .unknown(message)
            }
        case .value, .absent, .written, .integer, .page, .goingAway: notUnderstood(request)
        }
    }

    private func callFailure(_ answer: AnswerMessage, _ request: Request) -> KVClientError {
        if !request.isAboutCluster, answer.isSuccess || !answer.isOfNode && answer.status == 404 {
            return notUnderstood(request)
        }
        let body = answer.decoded(as: ErrorBody.self)
        let message = body?.message ?? "\(endpoint) answered \(answer.status) and gave no reason"
        switch answer.status {
        case 401, 403: return .denied(message)
        case 409: return .conflict(code: body?.error ?? "conflict", message: message)
        case 408, 429, 503: return .refused(code: body?.error ?? "refused", message: message)
        case 400, 404, 405, 411, 413, 414, 415, 431: return .badRequest(message)
        case _ where request.mayRepeat: return .unreachable(message)
        default: return .unknown(message)
        }
    }

    /// The error for an answer that is none to this request: the server is not `kv`, or not compatible.
    func notUnderstood(_ request: Request) -> KVClientError {
        let answered = if case .call(let message) = content { " \(message.status)" } else { "" }
        let message = "\(endpoint) answered\(answered) in a way that is not kv's; is it a kv node's client port?"
        return request.mayRepeat ? .badRequest(message) : .unknown(message)
    }

    /// Whether the node says that it cannot execute the request now, while another node might.
    func sendsElsewhere(_ request: Request) -> Bool {
        switch content {
        case .call(let message):
            message.status == 503 && (request.isAboutCluster || request.mayRepeat || message.isAboutNode)
        case .operation(.failed(let code, _)):
            switch code {
            // These are about the node and not about the key.
            case .notMember, .stopping: true
            case .noLeader, .noReplica: request.mayRepeat
            default: false
            }
        case .operation: false
        }
    }

    /// Whether the node that it names executed an operation on a key, which only the key's leader does.
    var isOfLeader: Bool {
        switch content {
        case .operation(.value), .operation(.absent), .operation(.written), .operation(.integer),
            .operation(.conditionFailed):
            true
        case .operation(.page), .operation(.failed), .operation(.goingAway), .call: false
        }
    }
}

extension AnswerMessage {
    fileprivate var isSuccess: Bool { (200..<300).contains(status) }

    /// Whether this error is about the node and not about the key.
    fileprivate var isAboutNode: Bool {
        switch decoded(as: ErrorBody.self)?.error {
        case "not_member", "stopping", "not_ready": true
        default: false
        }
    }
}
