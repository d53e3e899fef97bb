// swift-tools-version: 6.2
import PackageDescription

// A package of its own that uses the client library as any program does: by the product, without what is `package`.
let package = Package(
    name: "outside",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "kv", path: "../..")],
    targets: [
        .executableTarget(
            name: "outside",
            dependencies: [.product(name: "KVClient", package: "kv")],
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]
        )
    ]
)
