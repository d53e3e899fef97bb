import KVWire

/// The commands by name. Looking one up makes no string: the name is folded into two words, and they are hashed.
final class RESPCommandTable: Sendable {
    /// The longest name, in bytes.
    private static let maximumName = 16
    /// A power of two, well above twice the commands.
    private static let size = 512

    /// By name.
    let commands: [RESPCommand]
    private let places: [Place?]

    private struct Place {
        var low: UInt64
        var high: UInt64
        var command: RESPCommand
    }

    init(_ commands: [RESPCommand]) {
        precondition(commands.count <= Self.size / 2, "the table is too small for its commands")
        self.commands = commands.sorted { $0.name < $1.name }
        var places: [Place?] = Array(repeating: nil, count: Self.size)
        for command in commands {
            let words = Array(command.name.utf8).withUnsafeBytes { Self.words($0) }
            var index = Self.index(words.low, words.high)
            while places[index] != nil { index = (index + 1) & (Self.size - 1) }
            places[index] = Place(low: words.low, high: words.high, command: command)
        }
        self.places = places
    }

    static let standard = RESPCommandTable(
        StringCommands.all + NumberCommands.all + KeyCommands.all + ExpiryCommands.all + KeyspaceCommands.all
            + ConnectionCommands.all + ServerCommands.all + ClusterCommands.all + [
                ClientCommands.container, CommandCommands.container, ConfigCommands.container,
            ] + RefusedCommands.all)

    /// The command of this name, in letters of any case.
    func find(_ name: UnsafeRawBufferPointer) -> RESPCommand? {
        guard name.count <= Self.maximumName else { return nil }
        let words = Self.words(name)
        var index = Self.index(words.low, words.high)
        while let place = places[index] {
            if place.low == words.low, place.high == words.high { return place.command }
            index = (index + 1) & (Self.size - 1)
        }
        return nil
    }

    /// The name in lower case, eight bytes a word. (A name with a NUL is none.)
    @inline(__always)
    private static func words(_ name: UnsafeRawBufferPointer) -> (low: UInt64, high: UInt64) {
        var low: UInt64 = 0
        var high: UInt64 = 0
        for index in 0..<min(name.count, 8) { low = low << 8 | UInt64(lowercased(name[index])) }
        if name.count > 8 {
            for index in 8..<min(name.count, maximumName) { high = high << 8 | UInt64(lowercased(name[index])) }
        }
        return (low, high)
    }

    @inline(__always)
    private static func index(_ low: UInt64, _ high: UInt64) -> Int {
        let mixed = (low ^ high &* 0x9e37_79b9_7f4a_7c15) &* 0xd6e8_feb8_6659_fd93
        return Int(truncatingIfNeeded: mixed >> 48) & (size - 1)
    }
}
