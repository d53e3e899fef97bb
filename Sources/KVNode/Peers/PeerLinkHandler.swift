import KVWire
import NIOCore

/// Tells a link what happens on its channel.
final class PeerLinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: PeerLink
    private var reader = FrameReader(maximumPayload: FrameLimits.handshake)
    private var isAnswered = false

    init(link: PeerLink) { self.link = link }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isAnswered else {
            return link.close(context.channel, "it sent something where only this node sends")
        }
        reader.append(unwrapInboundIn(data))
        do throws(WireError) {
            guard let payload = try reader.next() else { return }
            isAnswered = true
            link.answered(try Handshake.decode(payload), on: context.channel)
        } catch {
            isAnswered = true
            link.close(context.channel, "\(error)")
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        link.ended(context.channel)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        link.close(context.channel, describe(error))
    }
}
