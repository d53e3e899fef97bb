extension RequestID {
    /// Numbers a request of a shard: above those of earlier processes, and telling which shard waits for the answer.
    /// The highest bit is for what is passed on for others (`Relays`).
    package init(boot: UInt64, count: UInt64, shard: Int) {
        self.init((boot & 0x7fff) << 48 | (count & 0xff_ffff_ffff) << 8 | UInt64(shard & 0xff))
    }

    /// The number without the process and the shard: 40 bits.
    var count: UInt64 { raw >> 8 & 0xff_ffff_ffff }

    package var shard: Int { Int(raw & 0xff) }
}
