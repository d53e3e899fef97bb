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
    func failure(of request: Request) -> KVError {
        var error = error(of: request)
        if !node.isEmpty { error.node = node }
        return error
    }

    private func error(of request: Request) -> KVError {
        switch content {
        case .operation(.conditionFailed(let version)): return .conditionFailed(version)
        case .operation(.failed(let code, let message)):
            return KVError(code, message, mayRepeat: request.mayRepeat)
        case .operation: return notUnderstood(request)
        case .call(let answer):
            if !request.isAboutCluster, answer.isSuccess || !answer.isOfNode && answer.status == 404 {
                return notUnderstood(request)
            }
            if answer.status == 412 { return .conditionFailed(answer.version) }
            let body = answer.decoded(as: ErrorBody.self)
            let message = body?.message ?? "\(endpoint) answered \(answer.status) and gave no reason"
            return KVError(status: answer.status, body?.error ?? "", message, mayRepeat: request.mayRepeat)
        }
    }

    /// The error for an answer that is none to this request: the server is not `kv`, or not compatible.
    func notUnderstood(_ request: Request) -> KVError {
        let answered = if case .call(let message) = content { " \(message.status)" } else { "" }
        let message = "\(endpoint) answered\(answered) in a way that is not kv's; is it a kv node's client port?"
        return request.mayRepeat ? .badRequest(message) : .unknown(.internalError, message)
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
            case .noLeader, .noReplica, .timedOut, .leaderLost: request.mayRepeat
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
