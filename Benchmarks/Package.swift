// swift-tools-version: 6.2
import PackageDescription

/// What `kv` is measured beside, for which its own package has no use. Nothing here depends on `kv`, and who builds
/// `kv` does not build this. (What measures `kv` from the inside, StoreBench, belongs to kv's own package.)
let settings: [SwiftSetting] =
    [.swiftLanguageMode(.v6)] + (Context.environment["KV_CI"] == nil ? [] : [.treatAllWarnings(as: .error)])

let package = Package(
    name: "kv-benchmarks",
    dependencies: [
        // As in kv's own package, so that both are measured with the same NIO.
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2")
    ],
    targets: [
        .executableTarget(
            name: "barehttp",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "BareHTTP",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "zkload",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "ZKLoad",
            swiftSettings: settings
        ),
    ]
)
