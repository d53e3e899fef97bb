import KVCore

/// How the outcome of a request on a key is answered.
enum Asked {
    /// Unless the client has one of these versions already.
    case value(EntityTags?)
    case put
    case delete
}

extension AnswerWriter {
    mutating func answer(_ request: Request, to asked: Asked, _ frame: AnswerFrame) {
        let node = request.executorID
        switch (asked, request.outcome) {
        case (.value(let tags?), .found(let record)) where tags.contains(record.version):
            empty(.notModified, version: record.version, by: node, frame)
        case (.value, .found(let record)):
            found(record, by: node, frame)
        case (.put, .written(let version)):
            empty(.noContent, version: version, by: node, frame)
        case (.delete, .written):
            empty(.noContent, version: nil, by: node, frame)
        case (_, .absent): failure(.absent(request.key), by: node, frame)
        case (_, .conditionFailed(let version)): failure(.conditionFailed(version), by: node, frame)
        case (_, .refused(let refusal)): failure(HTTPFailure(refusal), by: node, frame)
        case (_, .unknown(let uncertainty)): failure(HTTPFailure(uncertainty), by: node, frame)
        case (_, .found), (_, .written), (_, .listed), (_, .counted), (_, .updated), (_, nil):
            failure(.unfitting, by: node, frame)
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
