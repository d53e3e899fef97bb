/// Who is to come and to go, all in one plan.
public struct MembershipChange: Hashable, Sendable {
    public var joins: [Join]
    /// Ids of members.
    public var leaves: [String]
    /// Those who leave are dead: do not wait for their help.
    public var isForced: Bool

    public struct Join: Hashable, Sendable {
        /// Of a pending node.
        public var id: String
        /// Instead of what the pending node says.
        public var weight: Int?
        public var zone: String?
        /// The member whose place it takes; it may have the same id.
        public var replaces: String?

        public init(id: String, weight: Int? = nil, zone: String? = nil, replaces: String? = nil) {
            self.id = id
            self.weight = weight
            self.zone = zone
            self.replaces = replaces
        }
    }

    public init(joins: [Join] = [], leaves: [String] = [], isForced: Bool = false) {
        self.joins = joins
        self.leaves = leaves
        self.isForced = isForced
    }
}
