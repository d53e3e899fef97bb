import KVCore

/// A change of the cluster as its target and parameters ask for it; its body, which comes later, may say more.
enum ChangeRequest {
    case join(MembershipChange.Join, isDryRun: Bool)
    case leave(String, isForced: Bool, isDryRun: Bool)
    /// Nil if the parameters do not say how many partitions there are to be.
    case split(Int?, isDryRun: Bool)
    /// A plan of several changes, all of them in the body.
    case plan

    /// The longest body. Bytes.
    static let maximumBody = 64 << 10
    /// How many nodes one plan may name.
    static let maximumNodes = 1000

    static var bodyTooLarge: HTTPFailure {
        HTTPFailure(
            .contentTooLarge, "body_too_large", "what a plan is made of takes at most \(maximumBody) bytes")
    }

    /// Makes the request to the coordinator.
    /// - Parameter hasParameters: whether parameters were given that the body could have as well.
    func request(body: [UInt8], hasParameters: Bool) throws(HTTPFailure) -> ControlRequest {
        guard !body.isEmpty else {
            if case .plan = self {
                throw .bad("bad_body", #"who joins and leaves is missing: send JSON such as {"leave":["n2"]}"#)
            }
            return try request
        }
        guard !hasParameters else {
            throw .bad("bad_body", "give what you want either as parameters or in the body, not in both")
        }
        var fields = try JSONFields(body)
        var asked = self
        switch self {
        case .join(let join, _):
            asked = .join(try fields.join(join), isDryRun: try fields.flag("dry_run"))
        case .leave(let id, _, _):
            asked = .leave(id, isForced: try fields.flag("force"), isDryRun: try fields.flag("dry_run"))
        case .split:
            let partitions = try fields.partitions()
            asked = .split(partitions, isDryRun: try fields.flag("dry_run"))
        case .plan:
            let change = MembershipChange(
                joins: try fields.joins(), leaves: try fields.leaves(), isForced: try fields.flag("force"))
            let isDryRun = try fields.flag("dry_run")
            try fields.finish()
            guard (1...Self.maximumNodes).contains(change.joins.count + change.leaves.count) else {
                throw .bad("bad_body", "a plan is about 1 to \(Self.maximumNodes) nodes, in join and leave")
            }
            return .change(change, isDryRun: isDryRun)
        }
        try fields.finish()
        return try asked.request
    }

    private var request: ControlRequest {
        get throws(HTTPFailure) {
            switch self {
            case .join(let join, let isDryRun): return .change(MembershipChange(joins: [join]), isDryRun: isDryRun)
            case .leave(let id, let isForced, let isDryRun):
                return .change(MembershipChange(leaves: [id], isForced: isForced), isDryRun: isDryRun)
            case .split(let partitions, let isDryRun):
                guard let partitions else {
                    throw .bad(
                        "bad_partitions", "how many partitions there are to be is missing: send partitions=NUMBER")
                }
                return .split(partitions: partitions, isDryRun: isDryRun)
            case .plan: return .change(MembershipChange(), isDryRun: true)
            }
        }
    }

    /// Checks a number of partitions that is asked for. The coordinator knows whether it is more than there are.
    static func partitions(_ number: Int?) throws(HTTPFailure) -> Int {
        guard let number, SlotMap.dividesEqually(into: number) else {
            throw .bad("bad_partitions", "partitions must be a power of two from 1 to \(Slot.count)")
        }
        return number
    }
}

/// Names and numbers of nodes, as requests give them.
enum NodeField {
    static func id(_ text: String, _ name: String) throws(HTTPFailure) -> String {
        guard PendingNode.isID(text) else {
            throw .bad("bad_node_id", "\(name) must be the id of a node: 1-64 characters of a-z 0-9 . - _")
        }
        return text
    }

    static func zone(_ text: String) throws(HTTPFailure) -> String {
        guard PendingNode.isZone(text) else {
            throw .bad("bad_zone", "zone must be at most 64 characters of A-Z a-z 0-9 . - _")
        }
        return text
    }

    static func weight(_ number: Int?) throws(HTTPFailure) -> Int {
        guard let number, (1...PendingNode.maximumWeight).contains(number) else {
            throw .bad("bad_weight", "weight must be a whole number from 1 to \(PendingNode.maximumWeight)")
        }
        return number
    }
}

/// The members of a request's JSON object, each taken once.
private struct JSONFields {
    private var members: [JSONValue.Member]
    private var known: [String] = []

    init(_ body: [UInt8]) throws(HTTPFailure) {
        let value: JSONValue
        do throws(JSONProblem) {
            value = try JSONReader.read(body)
        } catch {
            throw .bad("bad_body", "the body is not JSON as it is wanted here: at byte \(error.byte), \(error.message)")
        }
        try self.init(value, "the body")
    }

    private init(_ value: JSONValue, _ name: String) throws(HTTPFailure) {
        guard case .object(let members) = value else {
            throw .bad("bad_body", "\(name) must be an object, not \(value.kind)")
        }
        self.members = members
    }

    /// Takes a member. Returns nil if it is absent or null.
    private mutating func take(_ name: String) -> JSONValue? {
        known.append(name)
        guard let index = members.firstIndex(where: { $0.name == name }) else { return nil }
        let value = members.remove(at: index).value
        return value == .null ? nil : value
    }

    /// Fails if there are members that were not taken: nobody knows them.
    func finish() throws(HTTPFailure) {
        guard let rest = members.first else { return }
        throw .bad(
            "bad_body",
            "'\(rest.name.prefix(32))' is not known here; known are \(known.joined(separator: ", "))")
    }

    mutating func flag(_ name: String) throws(HTTPFailure) -> Bool {
        switch take(name) {
        case nil: return false
        case .bool(let value): return value
        case let value?: throw .bad("bad_body", "\(name) must be true or false, not \(value.kind)")
        }
    }

    private mutating func text(_ name: String) throws(HTTPFailure) -> String? {
        switch take(name) {
        case nil: return nil
        case .string(let text): return text
        case let value?: throw .bad("bad_body", "\(name) must be a string, not \(value.kind)")
        }
    }

    private mutating func list(_ name: String) throws(HTTPFailure) -> [JSONValue] {
        switch take(name) {
        case nil: return []
        case .array(let items): return items
        case let value?: throw .bad("bad_body", "\(name) must be a list, not \(value.kind)")
        }
    }

    /// `base` with what is said of it here.
    mutating func join(_ base: MembershipChange.Join) throws(HTTPFailure) -> MembershipChange.Join {
        var join = base
        switch take("weight") {
        case nil: break
        case .integer(let weight): join.weight = try NodeField.weight(weight)
        default: _ = try NodeField.weight(nil)
        }
        if let zone = try text("zone") { join.zone = try NodeField.zone(zone) }
        if let replaced = try text("replace") { join.replaces = try NodeField.id(replaced, "replace") }
        return join
    }

    /// The number of partitions that is asked for; nil if none is.
    mutating func partitions() throws(HTTPFailure) -> Int? {
        switch take("partitions") {
        case nil: return nil
        case .integer(let number): return try ChangeRequest.partitions(number)
        default: return try ChangeRequest.partitions(nil)
        }
    }

    mutating func joins() throws(HTTPFailure) -> [MembershipChange.Join] {
        var joins: [MembershipChange.Join] = []
        for (index, item) in try list("join").enumerated() {
            if case .string(let id) = item {
                joins.append(MembershipChange.Join(id: try NodeField.id(id, "join[\(index)]")))
                continue
            }
            var fields = try JSONFields(item, "join[\(index)]")
            guard let id = try fields.text("id") else { throw .bad("bad_body", "join[\(index)] has no id") }
            joins.append(try fields.join(MembershipChange.Join(id: try NodeField.id(id, "join[\(index)].id"))))
            try fields.finish()
        }
        return joins
    }

    mutating func leaves() throws(HTTPFailure) -> [String] {
        var leaves: [String] = []
        for (index, item) in try list("leave").enumerated() {
            guard case .string(let id) = item else {
                throw .bad("bad_body", "leave[\(index)] must be the id of a node, not \(item.kind)")
            }
            leaves.append(try NodeField.id(id, "leave[\(index)]"))
        }
        return leaves
    }
}
