// A program that uses the client needs keys, versions and conditions too. This way it imports one module.
@_exported import KVModel
