import KVCore

/// What a key operation under way was about: all that its answer needs of the request.
struct Asked {
    enum What {
        /// Unless the client has one of these versions already.
        case value(EntityTags?)
        case put
        case delete
    }

    let key: Key
    let what: What
}

extension AnswerWriter {
    mutating func reply(_ reply: Reply, to asked: Asked, _ frame: AnswerFrame) {
        switch (asked.what, reply.outcome) {
        case (.value(let tags?), .found(let record)) where tags.contains(record.version):
            empty(.notModified, version: record.version, by: reply.node, frame)
        case (.value, .found(let record)):
            found(record, by: reply.node, frame)
        case (.put, .written(let version)):
            empty(.noContent, version: version, by: reply.node, frame)
        case (.delete, .written):
            empty(.noContent, version: nil, by: reply.node, frame)
        case (_, .absent): failure(.absent(asked.key), by: reply.node, frame)
        case (_, .conditionFailed(let version)): failure(.conditionFailed(version), by: reply.node, frame)
        case (_, .refused(let refusal)): failure(HTTPFailure(refusal), by: reply.node, frame)
        case (_, .unknown(let uncertainty)): failure(HTTPFailure(uncertainty), by: reply.node, frame)
        case (_, .found), (_, .written), (_, .listed), (_, .counted), (_, .updated):
            failure(.unfitting, by: reply.node, frame)
        }
    }

    /// - Parameter topology: has the names of the nodes that a plan's moves are between.
    mutating func control(_ reply: ControlReply, _ topology: Topology?, _ frame: AnswerFrame) {
        switch reply {
        case .plan(let plan):
            let names = NodeNames(topology)
            json({ json in json.object { $0.plan(plan, names) } }, frame)
        case .refused(let refusal, let message): failure(HTTPFailure(refusal, message), frame)
        case .unknown: failure(.unknownPlan, frame)
        case .notCoordinator: failure(.noCoordinator, frame)
        }
    }

    mutating func readiness(_ health: Health, _ frame: AnswerFrame) {
        switch health {
        case .ready: text("ok", frame)
        case .warned(let warning): text("ok, but \(warning)", frame)
        case .notReady(let reason):
            failure(HTTPFailure(.unavailable, "not_ready", "the node cannot serve yet: \(reason)"), frame)
        }
    }
}

extension HTTPFailure {
    static var unfitting: Self {
        Self(
            .internalError, "internal_error",
            "the node got an answer that does not fit the request; this is a fault in kv, please report it")
    }
}
