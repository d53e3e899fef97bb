/// A record to be proposed. The leader stamps it with a version.
struct Draft: Equatable {
    /// The value; nil for a tombstone.
    var value: [UInt8]?
    var expiry: Expiry
    var contentType: String

    static let tombstone = Draft(value: nil, expiry: .never, contentType: "")

    init(value: [UInt8]?, expiry: Expiry, contentType: String) {
        self.value = value
        self.expiry = expiry
        self.contentType = contentType
    }

    /// A draft that proposes the contents of `record` again.
    init(_ record: Record) { self.init(value: record.value, expiry: record.expiry, contentType: record.contentType) }
}
