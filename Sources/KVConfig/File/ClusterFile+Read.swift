import Glibc

extension ClusterFile {
    /// Reads a `cluster.yaml` from disk.
    package static func read(path: String) throws(ConfigurationError) -> ClusterFile {
        try parse(try contents(of: path), name: path)
    }

    /// Reads at most one byte more than a file may have, so that a longer one is noticed.
    private static func contents(of path: String) throws(ConfigurationError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path, errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= YAMLTree.maximumBytes {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw unreadable(path, errno)
            }
            bytes += buffer[..<count]
        }
        return bytes
    }

    private static func unreadable(_ path: String, _ code: CInt) -> ConfigurationError {
        let next =
            switch code {
            case ENOENT: "check the path"
            case EACCES, EPERM: "let this user read it"
            default: "name a file that can be read"
            }
        return ConfigurationError(.file(path), "cannot be read: \(String(cString: strerror(code))); \(next)")
    }
}
