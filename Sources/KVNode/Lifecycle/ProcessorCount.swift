import CLinux
import NIOCore

/// The processors of this machine.
enum ProcessorCount {
    /// The number of processors that this process may use, 1 or more. A container's quota, a cpuset and the process's
    /// affinity (taskset, `CPUAffinity=` of a systemd unit) limit it.
    static var usable: Int {
        let allowed = Int(kv_allowed_processors())
        let present = System.coreCount
        return max(allowed > 0 ? min(allowed, present) : present, 1)
    }
}
