import FoundationEssentials
import KVModel
import NIOCore

/// A type whose values can be stored. `[UInt8]`, `String`, `ByteBuffer`, `Int` and `JSON` can; a program makes its own
/// types so by saying which bytes they are.
public protocol ValueEncodable {
    /// The media type of the bytes; empty means `application/octet-stream`.
    static var contentType: String { get }

    /// The bytes of the value.
    func encodedValue() throws -> [UInt8]
}

/// A type that can be read from a stored value.
public protocol ValueDecodable {
    /// - Throws: any error if the bytes are no such value.
    init(decodingValue bytes: [UInt8]) throws
}

/// A type that can be stored and read.
public typealias ValueCodable = ValueEncodable & ValueDecodable

/// The bytes of a key are not a value of the type that was asked for.
struct NotDecodable: Error, CustomStringConvertible {
    let description: String
}

extension Array: ValueEncodable, ValueDecodable where Element == UInt8 {
    public static var contentType: String { "" }
    public func encodedValue() -> [UInt8] { self }
    public init(decodingValue bytes: [UInt8]) { self = bytes }
}

extension String: ValueEncodable, ValueDecodable {
    public static var contentType: String { "text/plain" }
    public func encodedValue() -> [UInt8] { Array(utf8) }

    public init(decodingValue bytes: [UInt8]) throws {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw NotDecodable(description: "it is not UTF-8")
        }
        self = text
    }
}

/// In decimal, as `KVClient.increment` and Redis's `INCR` take it.
extension Int: ValueEncodable, ValueDecodable {
    public static var contentType: String { "text/plain" }
    public func encodedValue() -> [UInt8] { Array("\(self)".utf8) }

    public init(decodingValue bytes: [UInt8]) throws {
        guard let number = Int(String(decoding: bytes, as: UTF8.self)) else {
            throw NotDecodable(description: "it is not a decimal integer of 64 bits")
        }
        self = number
    }
}

extension ByteBuffer: ValueEncodable, ValueDecodable {
    public static var contentType: String { "" }
    public func encodedValue() -> [UInt8] { Array(readableBytesView) }
    public init(decodingValue bytes: [UInt8]) { self.init(bytes: bytes) }
}

/// A `Codable` value that is stored as JSON, with sorted keys: equal values are equal bytes.
public struct JSON<Value> {
    public var value: Value

    public init(_ value: Value) { self.value = value }
}

extension JSON: Equatable where Value: Equatable {}
extension JSON: Hashable where Value: Hashable {}
extension JSON: Sendable where Value: Sendable {}

extension JSON: ValueEncodable where Value: Encodable {
    public static var contentType: String { "application/json" }

    public func encodedValue() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }
}

extension JSON: ValueDecodable where Value: Decodable {
    public init(decodingValue bytes: [UInt8]) throws {
        self.init(try JSONDecoder().decode(Value.self, from: Data(bytes)))
    }
}

extension KVClient {
    /// The pause before an update is tried again doubles from this to 64 times as much, less up to a half of it.
    private static let leastPause = Duration.milliseconds(1)
    private static let mostDoublings = 6

    /// Returns the value of a key and its version; nil if there is no such key.
    /// - Parameters: as of the other `get`.
    /// - Throws: `KVError` with the code `unfit` if the bytes are no such value; otherwise what the other `get` throws.
    public func get<Value: ValueDecodable>(
        _ key: Key, as type: Value.Type, consistency: Consistency = .linearizable, timeout: Duration? = nil
    ) async throws -> (value: Value, version: Version)? {
        guard let stored = try await get(key, consistency: consistency, timeout: timeout) else { return nil }
        return (try Self.decoded(stored, key), stored.version)
    }

    private static func decoded<Value: ValueDecodable>(_ stored: StoredValue, _ key: Key) throws -> Value {
        do {
            return try Value(decodingValue: stored.bytes)
        } catch {
            throw KVError(.unfit, "the value of \(key.quoted) cannot be read as \(Value.self): \(error)")
        }
    }

    /// Sets a key to a value of any type that can be stored.
    /// - Parameters: as of the other `put`; a `contentType` of nil is the type's own.
    /// - Throws: what the other `put` throws, and what encoding the value throws.
    @discardableResult
    public func put<Value: ValueEncodable>(
        _ key: Key, _ value: Value, contentType: String? = nil, lifetime: Duration? = nil,
        condition: Condition = .always, timeout: Duration? = nil
    ) async throws -> Version {
        try await put(
            key, try value.encodedValue(), contentType: contentType ?? Value.contentType, lifetime: lifetime,
            condition: condition, timeout: timeout)
    }

    /// Changes a value depending on what it is: reads it, computes the new one, and writes that if nobody has changed
    /// the key meanwhile; otherwise begins anew. So no change of anybody is lost.
    ///
    /// A change whose effect is unknown is never repeated: the call fails then, and the key has to be read.
    /// - Parameters:
    ///   - attempts: how often to begin anew at most, at least 1. The error is that of the last: `conditionFailed`.
    ///   - lifetime: the time after which the key is absent again; nil leaves what is left of its time.
    ///   - timeout: for each reading and writing.
    ///   - isolation: the caller's, in which `change` is called.
    ///   - change: computes the new value from the present one, which is nil if there is none. Nil deletes the key. It
    ///     may be called more than once.
    /// - Returns: the value that the key has now, and its version; nil if it is absent.
    /// - Throws: what `get` and `put` throw, and what `change` throws.
    @discardableResult
    public func update<Value: ValueCodable & Sendable>(
        _ key: Key, as type: Value.Type = Value.self, attempts: Int = .max, lifetime: Duration? = nil,
        timeout: Duration? = nil, isolation: isolated (any Actor)? = #isolation, _ change: (Value?) throws -> Value?
    ) async throws -> (value: Value, version: Version)? {
        var failures = 0
        while true {
            let stored = try await get(key, timeout: timeout)
            let present: Value? = try stored.map { try Self.decoded($0, key) }
            let condition = stored.map { Condition.ifVersion($0.version) } ?? .ifAbsent
            do {
                guard let value = try change(present) else {
                    if stored != nil { try await delete(key, condition: condition, timeout: timeout) }
                    return nil
                }
                let version = try await put(
                    key, value, contentType: stored?.contentType, lifetime: lifetime ?? stored?.timeToLive,
                    condition: condition, timeout: timeout)
                return (value, version)
            } catch let error as KVError where error.code == .conditionFailed && failures + 1 < attempts {
                // Another was faster. Those that fail together do not try again together.
                let most = Self.leastPause * (1 << min(failures, Self.mostDoublings))
                failures += 1
                try await Task.sleep(for: most * Double.random(in: 0.5...1))
            }
        }
    }
}
