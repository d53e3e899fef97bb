import KVCore
import KVStorage

/// What a store should hold: the naive version of it.
struct StoreModel: Equatable {
    struct Place: Hashable {
        var partition: PartitionID
        var key: Key
    }

    var records: [Place: Record] = [:]
    var promises: [PartitionID: Ballot] = [:]
    var memberships: [PartitionID: Epoch] = [:]
    var floors: [PartitionID: Version] = [:]
    var slots = SlotMap(founding: 1)

    mutating func put(_ partition: PartitionID, _ key: Key, _ record: Record) {
        records[Place(partition: partition, key: key)] = record
        dropTombstones(partition)
    }

    mutating func promise(_ partition: PartitionID, _ ballot: Ballot) {
        promises[partition] = max(promises[partition] ?? .zero, ballot)
    }

    mutating func purge(_ partition: PartitionID, _ floor: Version) {
        floors[partition] = max(floors[partition] ?? .zero, floor)
        dropTombstones(partition)
    }

    mutating func wipe(_ partition: PartitionID, membership: Epoch) {
        records = records.filter { $0.key.partition != partition }
        floors[partition] = nil
        memberships[partition] = membership == 0 ? nil : membership
    }

    /// Carries out the next split.
    mutating func split() {
        guard let split = slots.next, let after = slots.afterNext else { return }
        slots = after
        promises[split.child] = promises[split.parent]
        memberships[split.child] = memberships[split.parent]
        floors[split.child] = floors[split.parent]
        let parents = records.filter { $0.key.partition == split.parent }
        for (place, record) in parents where slots.partition(of: place.key.slot) == split.child {
            records[place] = nil
            records[Place(partition: split.child, key: place.key)] = record
        }
    }

    /// As a start finds it that has the topology's slots.
    func split(to count: Int) -> Self {
        var model = self
        while model.slots.count < count { model.split() }
        return model
    }

    private mutating func dropTombstones(_ partition: PartitionID) {
        guard let floor = floors[partition] else { return }
        records = records.filter {
            $0.key.partition != partition || $0.value.value != nil || $0.value.version > floor
        }
    }

    /// What a store does hold, values and all; throws where it names damage.
    static func read(_ fixture: StoreFixture, _ partitions: [PartitionID]) throws -> StoreModel {
        var model = StoreModel()
        model.slots = fixture.store.slots
        for partition in partitions {
            var keys: [Key] = []
            fixture.store.forEach(partition) { key, _ in keys.append(key) }
            for key in keys {
                model.records[Place(partition: partition, key: key)] = try fixture.read(key, partition)
            }
            let promise = fixture.store.promise(partition)
            if promise > .zero { model.promises[partition] = promise }
            let membership = fixture.store.membership(partition)
            if membership > 0 { model.memberships[partition] = membership }
            let floor = fixture.store.purgeFloor(partition)
            if floor > .zero { model.floors[partition] = floor }
        }
        return model
    }
}
