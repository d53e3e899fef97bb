import NIOCore

/// The encoding of a request in which only the key differs each time, and for some the value. It is written at once.
struct RequestTemplate: Sendable {
    private let beforeKey: [UInt8]
    private let afterKey: [UInt8]
    /// Nil means that the request has no value.
    private let afterValue: [UInt8]?

    init(beforeKey: [UInt8], afterKey: [UInt8], afterValue: [UInt8]? = nil) {
        self.beforeKey = beforeKey
        self.afterKey = afterKey
        self.afterValue = afterValue
    }

    /// - Parameter values: the source of the value, if the request has one.
    func write(key: Int, _ values: inout Values, to buffer: inout ByteBuffer) {
        let rest = afterValue.map { values.size + $0.count } ?? 0
        let count = beforeKey.count + KeyName.length + afterKey.count + rest
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
            var place = 0
            func append(_ bytes: UnsafeRawBufferPointer) {
                UnsafeMutableRawBufferPointer(rebasing: space[place..<place + bytes.count]).copyMemory(from: bytes)
                place += bytes.count
            }
            beforeKey.withUnsafeBytes(append)
            KeyName.fill(UnsafeMutableRawBufferPointer(rebasing: space[place..<place + KeyName.length]), key)
            place += KeyName.length
            afterKey.withUnsafeBytes(append)
            if let afterValue {
                values.withNext(append)
                afterValue.withUnsafeBytes(append)
            }
            return place
        }
    }
}
