/// Where the partitions are to live, and what that takes.
package struct Plan: Hashable, Sendable {
    /// The replica set of each partition, by its number; the first is its preferred leader.
    package var target: [[NodeNumber]]
    /// How many copies of a partition have to be made: members of a target set that are not in the current one. What
    /// has no current set has nothing to copy.
    package var moves: Int
    /// How many partitions get another preferred leader.
    package var leaderChanges: Int

    package init(target: [[NodeNumber]], moves: Int, leaderChanges: Int) {
        self.target = target
        self.moves = moves
        self.leaderChanges = leaderChanges
    }
}
