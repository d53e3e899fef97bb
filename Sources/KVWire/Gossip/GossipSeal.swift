import Crypto

/// The end of a datagram. The byte behind the version says which one it is.
enum GossipSeal: UInt8 {
    /// CRC-32C: protects from damage.
    case checksum = 0
    /// The first half of HMAC-SHA256: protects from strangers, too.
    case authenticator = 1

    static let checksumSize = 4
    static let authenticatorSize = 16

    /// Checks the seal and returns what comes before it.
    static func check(
        _ bytes: UnsafeRawBufferPointer, _ secret: GossipSecret?
    ) throws(WireError) -> UnsafeRawBufferPointer {
        let header = GossipCodec.magic.count + 2
        guard bytes.count >= header else { throw .truncated }
        let version = bytes[header - 2]
        guard version == GossipCodec.version else { throw .gossipVersion(version) }
        switch (GossipSeal(rawValue: bytes[header - 1]), secret) {
        case (.checksum, nil):
            guard bytes.count >= header + checksumSize else { throw .truncated }
            let content = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - checksumSize)])
            let declared = UInt32(
                littleEndian: bytes.loadUnaligned(fromByteOffset: content.count, as: UInt32.self))
            let computed = KVWire.checksum(content)
            guard declared == computed else { throw .checksum(declared: declared, computed: computed) }
            return content
        case (.authenticator, let secret?):
            guard bytes.count >= header + authenticatorSize else { throw .truncated }
            let content = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - authenticatorSize)])
            guard isEqual(authenticator(of: content, secret), bytes[content.count...]) else { throw .unauthenticated }
            return content
        case (.checksum, _?): throw .unauthenticated
        case (.authenticator, nil): throw .secretMissing
        case (nil, _): throw .invalid("seal")
        }
    }

    static func authenticator(of content: UnsafeRawBufferPointer, _ secret: GossipSecret) -> HMAC<SHA256>.MAC {
        HMAC<SHA256>.authenticationCode(for: content, using: secret.key)
    }

    /// Compares in constant time, so that nobody can find an authenticator byte by byte.
    private static func isEqual(_ code: HMAC<SHA256>.MAC, _ declared: Slice<UnsafeRawBufferPointer>) -> Bool {
        var difference: UInt8 = 0
        for (a, b) in zip(code, declared) { difference |= a ^ b }
        return difference == 0
    }
}
