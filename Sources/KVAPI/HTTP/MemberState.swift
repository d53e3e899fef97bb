import KVCore

extension JSONWriter {
    /// A node's state in one word: that it is not alive, or else what is to become of it.
    mutating func state(of member: Member, _ liveness: Liveness) {
        switch (liveness, member.standing) {
        case (.dead, _): string("dead")
        case (.suspect, _): string("suspect")
        case (.alive, .active): string("alive")
        case (.alive, _): standing(of: member)
        }
    }

    mutating func standing(of member: Member) {
        switch member.standing {
        case .active: string("active")
        case .joining: string("joining")
        case .leaving: string("leaving")
        case .lost: string("lost")
        }
    }
}
