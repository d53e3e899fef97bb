/// A change of the cluster's membership: nodes that join and members that leave, in one plan.
public struct MembershipChange: Hashable, Sendable {
    public var joins: [Join]
    /// The ids of the members that leave.
    public var leaves: [String]
    /// The members that leave are dead, so the plan does not wait for them to hand over their data.
    public var isForced: Bool

    /// A node that joins.
    public struct Join: Hashable, Sendable {
        /// The id of the pending node.
        public var id: String
        /// The share of the data relative to other members; positive. Nil takes what the pending node says.
        public var weight: Int?
        /// The failure domain. Nil takes what the pending node says.
        public var zone: String?
        /// The id of a member whose place the node takes. It may be the node's own id. Nil if it takes nobody's place.
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
