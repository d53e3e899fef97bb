import KVCore

extension JSONWriter {
    mutating func load(_ load: NodeLoad, node: String) {
        object { json in
            json.name("node")
            json.string(node)
            json.name("milliseconds")
            json.number(load.shards.map(\.elapsed.milliseconds).max() ?? 0)
            json.name("shards")
            json.array { json in
                for (index, shard) in load.shards.enumerated() { json.shard(shard, index) }
            }
            json.name("busiest")
            json.array { json in
                for partition in load.busiest { json.partition(partition, of: load.shards) }
            }
        }
    }

    private mutating func shard(_ load: ShardLoad, _ index: Int) {
        object { json in
            json.name("shard")
            json.number(index)
            json.name("partitions")
            json.number(load.partitions)
            json.name("leaders")
            json.number(load.leaders)
            json.rates(load.served, over: load.elapsed)
            json.usage(load.usage)
        }
    }

    private mutating func partition(_ partition: NodeLoad.Partition, of shards: [ShardLoad]) {
        let load = partition.load
        object { json in
            json.name("partition")
            json.number(load.partition.raw)
            json.name("shard")
            json.number(partition.shard)
            json.name("leader")
            if let leader = partition.leader { json.string(leader) } else { json.null() }
            json.rates(load.served, over: shards[partition.shard].elapsed)
            json.usage(load.usage)
        }
    }

    /// `reads`, `writes` and `copies`, per second.
    private mutating func rates(_ served: ServedCounts, over elapsed: Nanoseconds) {
        let seconds = max(Double(elapsed.nanoseconds), 1) / 1e9
        name("reads")
        tenths(Double(served.reads) / seconds)
        name("writes")
        tenths(Double(served.writes) / seconds)
        name("copies")
        tenths(Double(served.copies) / seconds)
    }

    private mutating func usage(_ usage: PartitionUsage) {
        name("keys")
        number(usage.keys)
        name("bytes")
        number(usage.bytes)
    }
}
