import KVCore

/// A problem with a value.
struct ValueProblem: Error, Hashable {
    /// Follows the name of the key, flag or variable: `must be true or false, not "maybe"`.
    var text: String

    init(_ text: String) { self.text = text }

    /// - Parameter wanted: follows "must be".
    init(_ text: String, isNot wanted: String) { self.text = "must be \(wanted), not \(quoted(text))" }
}

/// The notation of the values of a kind of setting, in the file and in flags and variables.
struct ValueFormat<Value: Sendable>: Sendable {
    /// The valid values, for documents: `1MiB to 1GiB`.
    var values: String
    /// A description of valid values, which follows "must be".
    var wanted: String
    /// True when the file has it without quotes: with quotes it would be text.
    var isPlain = false
    /// True for a value that messages, logs and reports never repeat.
    var isSecret = false
    var parse: @Sendable (String) throws(ValueProblem) -> Value
    /// The value as text that `parse` reads.
    var notation: @Sendable (Value) -> String
}

extension ValueFormat where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> Self {
        let wanted = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return ValueFormat(
            values: "\(range.lowerBound) to \(range.upperBound)", wanted: wanted, isPlain: true,
            parse: { (text) throws(ValueProblem) in
                guard let number = decimal(text), let value = Int(exactly: number), range.contains(value) else {
                    throw ValueProblem(text, isNot: wanted)
                }
                return value
            }, notation: { "\($0)" })
    }

    static func powerOfTwo(_ range: ClosedRange<Int>) -> Self {
        var format = integer(range)
        let parse = format.parse
        format.values = "a power of two, \(format.values)"
        format.parse = { (text) throws(ValueProblem) in
            let value = try parse(text)
            guard value.nonzeroBitCount == 1 else {
                let below = 1 << (Int.bitWidth - 1 - value.leadingZeroBitCount)
                throw ValueProblem("must be a power of two, not \(value): write \(below) or \(below * 2)")
            }
            return value
        }
        return format
    }

    /// A size in bytes.
    static func size(_ range: ClosedRange<Int>) -> Self {
        let bounds = "\(ByteSize.notation(range.lowerBound)) to \(ByteSize.notation(range.upperBound))"
        return ValueFormat(
            values: "size, \(bounds)", wanted: "from \(bounds)",
            parse: { (text) throws(ValueProblem) in
                let bytes = try parsed(text) { (text) throws(NotationError) in try ByteSize.parse(text) }
                guard range.contains(bytes) else { throw ValueProblem(text, isNot: "from \(bounds)") }
                return bytes
            }, notation: { ByteSize.notation($0) })
    }
}

extension ValueFormat where Value == Nanoseconds {
    static func duration(_ range: ClosedRange<Nanoseconds>) -> Self {
        let bounds = "\(range.lowerBound.notation) to \(range.upperBound.notation)"
        return ValueFormat(
            values: "time, \(bounds)", wanted: "from \(bounds)",
            parse: { (text) throws(ValueProblem) in
                let span = try parsed(text) { (text) throws(NotationError) in try Nanoseconds(notation: text) }
                guard range.contains(span) else { throw ValueProblem(text, isNot: "from \(bounds)") }
                return span
            }, notation: { $0.notation })
    }
}

extension ValueFormat where Value == Bool {
    static var boolean: Self {
        ValueFormat(
            values: "true or false", wanted: "true or false", isPlain: true,
            parse: { (text) throws(ValueProblem) in
                guard text == "true" || text == "false" else { throw ValueProblem(text, isNot: "true or false") }
                return text == "true"
            }, notation: { "\($0)" })
    }
}

extension ValueFormat where Value: RawRepresentable<String> & CaseIterable {
    static var choice: Self {
        let names = Value.names
        return ValueFormat(
            values: Value.allCases.map(\.rawValue).joined(separator: " | "), wanted: "one of \(names)",
            parse: { (text) throws(ValueProblem) in
                guard let choice = Value(rawValue: text) else { throw ValueProblem(text, isNot: "one of \(names)") }
                return choice
            }, notation: { $0.rawValue })
    }
}

extension ValueFormat where Value == Address {
    static var address: Self {
        ValueFormat(
            values: "HOST:PORT", wanted: "HOST:PORT",
            parse: { (text) throws(ValueProblem) in
                try parsed(text) { (text) throws(NotationError) in try Address(notation: text) }
            }, notation: { "\($0)" })
    }
}

extension ValueFormat where Value == Address? {
    static var optionalAddress: Self {
        let address = ValueFormat<Address>.address
        return ValueFormat(
            values: address.values, wanted: address.wanted,
            parse: { (text) throws(ValueProblem) in try address.parse(text) },
            notation: { $0.map(address.notation) ?? "null" })
    }
}

extension ValueFormat where Value == String {
    /// - Parameter isEmptyAllowed: whether the empty text, which means none, is valid.
    static func label(isEmptyAllowed: Bool = false) -> Self {
        name(Name.wantedLabel) { isEmptyAllowed && $0.isEmpty || Name.isLabel($0) }
    }

    static var id: Self { name(Name.wantedID, Name.isID) }

    private static func name(_ wanted: String, _ isValid: @escaping @Sendable (String) -> Bool) -> Self {
        ValueFormat(
            values: wanted, wanted: wanted,
            parse: { (text) throws(ValueProblem) in
                guard isValid(text) else { throw ValueProblem(text, isNot: wanted) }
                return text
            }, notation: { $0.isEmpty ? "null" : $0 })
    }

    static var directory: Self {
        ValueFormat(
            values: "a directory's path", wanted: "a directory's path",
            parse: { (text) throws(ValueProblem) in
                if text.isEmpty { throw ValueProblem("is empty: name a directory") }
                if text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
                    throw ValueProblem("holds a control character: \(quoted(text))")
                }
                if text == "~" || text.hasPrefix("~/") {
                    throw ValueProblem("begins with ~, which is not expanded: write the path in full")
                }
                return text
            }, notation: { $0 })
    }
}

extension ValueFormat where Value == String? {
    static func secret(bytes: ClosedRange<Int>) -> Self {
        let wanted = "\(bytes.lowerBound) to \(bytes.upperBound) bytes of text"
        return ValueFormat(
            values: wanted, wanted: wanted, isSecret: true,
            parse: { (text) throws(ValueProblem) in
                // The value is not repeated: messages end up in logs.
                guard bytes.contains(text.utf8.count) else { throw ValueProblem("must be \(wanted)") }
                return text
            }, notation: { $0 ?? "null" })
    }
}

/// Parses a value with `parse`, and turns a `NotationError` into a `ValueProblem`.
func parsed<Value>(
    _ text: String, _ parse: (String) throws(NotationError) -> Value
) throws(ValueProblem) -> Value {
    do throws(NotationError) {
        return try parse(text)
    } catch {
        throw ValueProblem(text, isNot: error.wanted)
    }
}
