import KVCore

/// Who this process is.
struct NodeIdentity: Sendable {
    let number: NodeNumber
    let id: String
    let store: UUID128
    /// Above that of every process before it on this data directory.
    let boot: UInt64
    private let names: [NodeNumber: String]

    init(number: NodeNumber, store: UUID128, boot: UInt64, members: [Member]) {
        self.number = number
        self.store = store
        self.boot = boot
        names = Dictionary(members.map { ($0.number, $0.id) }, uniquingKeysWith: { first, _ in first })
        id = names[number] ?? "\(number)"
    }

    func name(of node: NodeNumber) -> String { names[node] ?? "\(node)" }
}
