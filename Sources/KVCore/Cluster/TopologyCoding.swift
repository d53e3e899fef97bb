/// Encodes a topology as the value of its register, and decodes it. The machine does not know the bytes.
package struct TopologyCoding: Sendable {
    /// - Parameter isNewest: whether it may be the newest encoding. Otherwise it is one that members of the previous
    ///   version know as well.
    package var encode: @Sendable (Topology, _ isNewest: Bool) -> [UInt8]
    /// Nil for bytes that `encode` does not give.
    package var decode: @Sendable ([UInt8]) -> Topology?

    package init(
        encode: @escaping @Sendable (Topology, _ isNewest: Bool) -> [UInt8],
        decode: @escaping @Sendable ([UInt8]) -> Topology?
    ) {
        self.encode = encode
        self.decode = decode
    }
}
