import KVCore

/// A failure detector that knows no more than the pings it has heard: late, and at times wrong.
struct Detector {
    static let pingInterval = 10
    static let patience: UInt64 = 350_000_000
    /// Silent for so long, a peer is taken to be dead.
    static let lastPatience: UInt64 = 900_000_000

    private struct Peer {
        var boot: UInt64 = 0
        var heard: UInt64 = 0
        var isUp = false
        var isDead = false
        /// A false suspicion lasts at least until then.
        var deafUntil: UInt64 = 0
    }

    private var peers: [Peer]

    init(count: Int, now: UInt64) { peers = Array(repeating: Peer(heard: now), count: count) }

    /// A new member: it has its time to be heard from now on.
    mutating func expect(_ peer: Int, at time: UInt64) {
        guard !peers[peer].isUp else { return }
        peers[peer].heard = time
        peers[peer].isDead = false
    }

    /// Whether the status of the peer changes to "up".
    mutating func heard(_ peer: Int, boot: UInt64, at time: UInt64) -> Bool {
        guard boot >= peers[peer].boot, time >= peers[peer].deafUntil else { return false }
        peers[peer].heard = time
        peers[peer].isDead = false
        if peers[peer].isUp, peers[peer].boot == boot { return false }
        peers[peer].isUp = true
        peers[peer].boot = boot
        return true
    }

    /// Whether the status of the peer changes to "down".
    mutating func suspect(_ peer: Int, until time: UInt64) -> Bool {
        peers[peer].deafUntil = max(peers[peer].deafUntil, time)
        guard peers[peer].isUp else { return false }
        peers[peer].isUp = false
        return true
    }

    mutating func hearAgain() {
        for index in peers.indices { peers[index].deafUntil = 0 }
    }

    func isInTouch(with peer: Int, boot: UInt64) -> Bool { peers[peer].isUp && peers[peer].boot == boot }

    /// Peers silent for too long, which are down from now on.
    mutating func silent(at time: UInt64) -> [Int] {
        var silent: [Int] = []
        for index in peers.indices where peers[index].isUp && time > peers[index].heard + Self.patience {
            peers[index].isUp = false
            silent.append(index)
        }
        return silent
    }

    /// Peers silent for so long that they are dead from now on.
    mutating func dead(at time: UInt64) -> [Int] {
        var dead: [Int] = []
        for index in peers.indices where !peers[index].isDead && time > peers[index].heard + Self.lastPatience {
            peers[index].isDead = true
            dead.append(index)
        }
        return dead
    }
}
