import KVCore

/// A simple failure detector: a peer is down if no ping of it has arrived for a while. So it is late, and at times
/// wrong. Times are nanoseconds of the run.
struct Detector {
    /// Timers of the shard between two pings.
    static let pingInterval = 10
    /// A peer that has been silent for this long is down.
    static let patience: UInt64 = 350_000_000
    /// A peer that has been silent for this long is dead.
    static let lastPatience: UInt64 = 900_000_000

    private struct Peer {
        var boot: UInt64 = 0
        /// When the last ping arrived.
        var heard: UInt64 = 0
        var isUp = false
        var isDead = false
        /// Pings are ignored until then: the detector has been made to suspect the peer.
        var deafUntil: UInt64 = 0
    }

    private var peers: [Peer]

    init(count: Int, now: UInt64) { peers = Array(repeating: Peer(heard: now), count: count) }

    /// Begins to expect pings of a new member.
    mutating func expect(_ peer: Int, at time: UInt64) {
        guard !peers[peer].isUp else { return }
        peers[peer].heard = time
        peers[peer].isDead = false
    }

    /// Notes a ping.
    /// - Returns: True if the peer is newly up.
    mutating func heard(_ peer: Int, boot: UInt64, at time: UInt64) -> Bool {
        guard boot >= peers[peer].boot, time >= peers[peer].deafUntil else { return false }
        peers[peer].heard = time
        peers[peer].isDead = false
        if peers[peer].isUp, peers[peer].boot == boot { return false }
        peers[peer].isUp = true
        peers[peer].boot = boot
        return true
    }

    /// Makes the detector suspect a peer, and ignore its pings until `time`.
    /// - Returns: True if the peer is newly down.
    mutating func suspect(_ peer: Int, until time: UInt64) -> Bool {
        peers[peer].deafUntil = max(peers[peer].deafUntil, time)
        guard peers[peer].isUp else { return false }
        peers[peer].isUp = false
        return true
    }

    /// Ends all false suspicions.
    mutating func endSuspicions() {
        for index in peers.indices { peers[index].deafUntil = 0 }
    }

    func isInTouch(with peer: Int, boot: UInt64) -> Bool { peers[peer].isUp && peers[peer].boot == boot }

    /// Declares those peers down that have been silent for too long, and returns them.
    mutating func silent(at time: UInt64) -> [Int] {
        var silent: [Int] = []
        for index in peers.indices where peers[index].isUp && time > peers[index].heard + Self.patience {
            peers[index].isUp = false
            silent.append(index)
        }
        return silent
    }

    /// Declares those peers dead that have been silent for much too long, and returns them.
    mutating func dead(at time: UInt64) -> [Int] {
        var dead: [Int] = []
        for index in peers.indices where !peers[index].isDead && time > peers[index].heard + Self.lastPatience {
            peers[index].isDead = true
            dead.append(index)
        }
        return dead
    }
}
