import KVCore
import NIOCore
import NIOHTTP1

/// The HTTP listener: serves a `Backend` over HTTP/1.1 and 1.0 (RFC 9110, 9112) on accepted connections.
///
/// llhttp's parser (NIOHTTP1's), in its strict mode, tells requests apart; `HTTPConnection` decides what becomes of
/// them; `HTTPHandler` performs it.
package enum HTTPListener {
    /// Prepares an accepted connection. To be called on its event loop, before it is read from.
    ///
    /// The channel should allow half-closure by the client (`ChannelOptions.allowRemoteHalfClosure`), or those who
    /// close their sending half after the last request get no answer. A `ChannelShouldQuiesceEvent` drains the
    /// connection.
    ///
    /// - Parameters:
    ///   - budgets: what the node's connections may hold, by both protocols.
    ///   - wallClock: milliseconds since 1970, UTC.
    package static func configure(
        _ channel: any Channel, backend: any Backend, options: HTTPOptions = HTTPOptions(), budgets: ReplyBudgets,
        wallClock: @escaping @Sendable () -> UInt64
    ) throws {
        var limits = NIOHTTPDecoderLimitConfiguration()
        let target = RequestParser(settings: { nil }, limits: backend.limits).targetLimit
        limits.maxHeaderFieldSize = max(options.maximumHeadBytes, target)
        limits.maxHeaderListSize = limits.maxHeaderFieldSize
        limits.maxHeaderFieldCount = options.maximumHeaderFields
        let decoder = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
        let handler = HTTPHandler(
            backend: backend, options: options, budget: budgets.budget(of: channel.eventLoop), channel: channel,
            wallClock: wallClock)
        try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), handler])
    }
}

extension HTTPFailure {
    /// The failure for an error of the decoder; nil for any other error.
    init?(decoding error: any Error) {
        if case .dataReceivedInErrorState = error as? ByteToMessageDecoderError {
            self = .bad("bad_request", "the connection's earlier bytes were not HTTP")
            return
        }
        guard let error = error as? HTTPParserError else { return nil }
        switch error {
        case .headerOverflow:
            self.init(
                .headersTooLarge, "headers_too_large",
                "the request line and header fields are too long or too many: is the key longer than limits.key?")
        case .invalidVersion:
            self = .bad("bad_version", "the request line does not end in HTTP/1.1 or HTTP/1.0 and CR LF")
        case .invalidContentLength, .unexpectedContentLength:
            self = .bad(
                "bad_content_length",
                "Content-Length must be one whole number, and not be given together with Transfer-Encoding")
        case .invalidChunkSize:
            self = .bad("bad_chunk", "the length of a chunk of the body is not a hexadecimal number")
        case .unknown:
            // An error that the decoder has no name for: mostly a Transfer-Encoding beside a Content-Length.
            self = .bad("bad_request", "the request's Transfer-Encoding or its line ends are not valid HTTP")
        default:
            self = .bad("bad_request", "the request is not valid HTTP (\(error))")
        }
    }
}
