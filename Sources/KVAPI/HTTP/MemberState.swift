import KVCore

extension JSONWriter {
    /// A node's state in one word: that it is not alive, or else what is to become of it.
    mutating func state(of member: Member, _ liveness: Liveness) {
        switch (liveness, member.status) {
        case (.dead, _): string("dead")
        case (.suspect, _): string("suspect")
        case (.alive, .active): string("alive")
        case (.alive, _): status(of: member)
        }
    }

    mutating func status(of member: Member) {
        switch member.status {
        case .active: string("active")
        case .joining: string("joining")
        case .leaving: string("leaving")
        case .lost: string("lost")
        }
    }
}
