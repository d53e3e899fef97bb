import KVAPI
import KVCore

extension ShardRunner {
    func sampleServed() -> ServedSample {
        loop.assertInEventLoop()
        return shard.sampleServed(at: Clock.monotonic)
    }

    /// What this shard has served since the sample was taken, and its busiest partitions.
    func load(since sample: ServedSample) -> (load: ShardLoad, busiest: [NodeLoad.Partition]) {
        loop.assertInEventLoop()
        let load = shard.load(since: sample, at: Clock.monotonic, busiest: NodeLoad.maximumBusiest)
        return (
            load,
            load.busiest.map { NodeLoad.Partition(shard: index, leader: $0.leader.map { names[$0] }, load: $0) }
        )
    }
}
