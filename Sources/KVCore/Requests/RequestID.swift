extension RequestID {
    /// Makes the number of a shard's request. It is above the numbers of earlier processes, and names the shard that
    /// waits for the answer. The highest bit is set on requests that are passed on for other nodes (`Relays`).
    package init(boot: UInt64, count: UInt64, shard: Int) {
        self.init((boot & 0x7fff) << 48 | (count & 0xff_ffff_ffff) << 8 | UInt64(shard & 0xff))
    }

    /// The number without the process and the shard: 40 bits.
    var count: UInt64 { raw >> 8 & 0xff_ffff_ffff }

    package var shard: Int { Int(raw & 0xff) }
}
