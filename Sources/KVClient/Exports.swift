// A program that uses the client needs keys, versions and conditions too, and so imports one module.
@_exported import KVModel
