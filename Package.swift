// swift-tools-version: 6.2
import PackageDescription

/// The version: the only place that says it. KV_VERSION builds another, for a package that is built again, say.
let version = Context.environment["KV_VERSION"] ?? "0.3.0-dev"

/// The commit that is built, as the Makefile says. (Package.swift could ask for it, but its answers are kept from one
/// build to the next.)
let commit = Context.environment["KV_COMMIT"] ?? ""

// Warnings end a build only where KV_CI is set: a newer compiler's must not stop anyone else.
let settings: [SwiftSetting] =
    [.swiftLanguageMode(.v6)] + (Context.environment["KV_CI"] == nil ? [] : [.treatAllWarnings(as: .error)])

let package = Package(
    name: "kv",
    // For the client library. Nodes are for Linux.
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "kv", targets: ["kv"]),
        .library(name: "KVClient", targets: ["KVClient"]),
        .library(name: "KVTesting", targets: ["KVTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(name: "CChecksum"),
        .systemLibrary(name: "CLinux"),
        .target(name: "CProcess"),
        .target(
            name: "CRelease",
            cSettings: [.define("KV_VERSION", to: "\"\(version)\""), .define("KV_COMMIT", to: "\"\(commit)\"")]
        ),

        .target(name: "KVModel", swiftSettings: settings),
        .target(
            name: "KVCore",
            dependencies: ["KVModel", .product(name: "DequeModule", package: "swift-collections")],
            swiftSettings: settings
        ),
        .target(
            name: "KVWire",
            dependencies: [
                "KVCore", "CChecksum",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "KVProtocol",
            dependencies: ["KVModel", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),
        .target(name: "KVConfig", dependencies: ["KVCore", "CRelease", "CYAML"], swiftSettings: settings),
        .target(
            name: "KVStorage",
            dependencies: [
                "KVCore", "CChecksum", "CLinux", .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "KVAPI",
            dependencies: [
                "KVCore", "KVWire", "KVProtocol",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "KVNode",
            dependencies: [
                "KVCore", "KVWire", "KVConfig", "KVStorage", "KVAPI", "CLinux",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "KVClient",
            dependencies: [
                "KVModel", "KVProtocol",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "KVTesting",
            dependencies: [
                "KVClient", "KVConfig", "KVNode",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "KVBench",
            dependencies: [
                "KVCore", "KVWire", "KVClient",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "kv",
            dependencies: [
                "KVCore", "KVConfig", "KVNode", "KVClient", "KVBench", "CProcess",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings
        ),

        .executableTarget(
            name: "client-example",
            dependencies: ["KVClient"],
            path: "examples/client",
            exclude: ["README.md"],
            sources: ["main.swift"],
            swiftSettings: settings
        ),

        .target(
            name: "KVSimulator",
            dependencies: ["KVCore", "KVStorage", .product(name: "DequeModule", package: "swift-collections")],
            path: "Tests/KVSimulator",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "simulate",
            dependencies: ["KVSimulator", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/Simulate",
            swiftSettings: settings
        ),
        .target(
            name: "KVScaleSimulator", dependencies: ["KVCore", "KVSimulator", "KVWire"],
            path: "Tests/KVScaleSimulator",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "simulate-scale",
            dependencies: ["KVScaleSimulator", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/SimulateScale",
            swiftSettings: settings
        ),
        // What else is measured has a package of its own, Benchmarks/Package.swift. This is here because it measures
        // the store from the inside, by declarations that have `package` access.
        .executableTarget(
            name: "storebench",
            dependencies: ["KVCore", "KVStorage"],
            path: "Benchmarks/StoreBench",
            swiftSettings: settings
        ),
        .testTarget(name: "KVCoreTests", dependencies: ["KVCore"], swiftSettings: settings),
        .testTarget(
            name: "KVWireTests",
            dependencies: ["KVWire", "KVCore", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "KVProtocolTests",
            dependencies: ["KVProtocol", "KVCore", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),
        .testTarget(name: "KVConfigTests", dependencies: ["KVConfig", "KVCore"], swiftSettings: settings),
        .testTarget(
            name: "KVStorageTests", dependencies: ["KVStorage", "KVCore", "KVSimulator"], swiftSettings: settings),
        .testTarget(
            name: "KVAPITests",
            dependencies: [
                "KVAPI", "KVClient", "KVCore", "KVProtocol",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "KVNodeTests",
            dependencies: [
                "KVNode", "KVAPI", "KVCore", "KVWire", "KVConfig", "KVStorage", "KVSimulator",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "KVSimulatorTests", dependencies: ["KVSimulator", "KVScaleSimulator", "KVCore"],
            swiftSettings: settings),
        .target(
            name: "KVFakes",
            dependencies: [
                "KVModel", "KVProtocol",
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Tests/KVFakes",
            swiftSettings: settings
        ),
        .testTarget(
            name: "KVClientTests",
            dependencies: [
                "KVClient", "KVCore", "KVFakes",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(name: "KVTestingTests", dependencies: ["KVTesting", "KVClient"], swiftSettings: settings),
        .testTarget(
            name: "KVBenchTests",
            dependencies: [
                "KVBench", "KVCore", "KVFakes", "KVWire",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "kvTests",
            dependencies: [
                "kv", "KVBench", "KVClient", "KVConfig", "KVCore", "KVFakes",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "KVProcessTests",
            dependencies: ["KVClient", "KVCore", "KVSimulator", "KVStorage", "kv", "client-example"],
            swiftSettings: settings),
    ]
)
