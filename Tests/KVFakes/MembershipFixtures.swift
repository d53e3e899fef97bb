/// Answers of nodes about membership, as JSON in the form in which nodes write it.
package enum MembershipFixtures {
    package static func plan(
        id: Int = 9, joining: [String] = ["n4"], leaving: [String] = [], done: Int = 0, rate: Int = 0,
        paused: Bool = false, cancelling: Bool = false, obstacle: String? = nil
    ) -> String {
        let held = obstacle.map { #"{"code":"unreachable","message":"\#($0)","node":"n4"}"# } ?? "null"
        let eta = rate > 0 ? "\((1024 - done + rate - 1) / rate)" : "null"
        return """
            {"bytes":1024,"bytes_done":\(done),"cancelling":\(cancelling),"eta_seconds":\(eta),"id":\(id),\
            "joining":\(list(joining)),"leaving":\(list(leaving)),"minimum":7,"moves":8,"moves_done":\(done / 256),\
            "partitions_left":3,"paused":\(paused),"rate":\(rate),"reason":"operator","shares":[\
            {"id":"n1","leaders_after":1,"leaders_before":2,"replicas_after":6,"replicas_before":8},\
            {"id":"n4","leaders_after":1,"leaders_before":0,"replicas_after":2,"replicas_before":0}],\
            "under_way":[{"from":["n1","n2","n3"],"obstacle":\(held),"partition":3,"sent":10,"to":["n1","n4","n3"],\
            "total":1024}]}
            """
    }

    /// A plan that splits 64 partitions into 128.
    package static func split(
        partitions: Int = 64, to splitTo: Int = 128, paused: Bool = false, cancelling: Bool = false
    ) -> String {
        """
        {"bytes":0,"bytes_done":0,"cancelling":\(cancelling),"eta_seconds":null,"id":9,"joining":[],"leaving":[],\
        "minimum":0,"moves":0,"moves_done":0,"partitions":\(partitions),"partitions_left":0,"paused":\(paused),\
        "rate":0,"reason":"split","shares":[\
        {"id":"n1","leaders_after":\(splitTo),"leaders_before":\(partitions),"replicas_after":\(splitTo),\
        "replicas_before":\(partitions)}],"split_to":\(splitTo),"under_way":[],"waits_for":null}
        """
    }

    /// - Parameter keys: How many keys of 1 KiB each node holds.
    package static func ring(
        _ nodes: [(id: String, state: String, status: String)], waiting: [String] = [], plan: String? = nil,
        client: String = "127.0.0.1:1", partitions: Int = 1, keys: Int = 0
    ) -> String {
        let members = nodes.enumerated().map { index, node in
            """
            {"bytes":\(keys << 10),"client":"\(client)","id":"\(node.id)","keys":\(keys),"leaders":1,"number":\(index + 1),"peer":"h:2",\
            "replicas":1,"standing":"\(node.status)","state":"\(node.state)","weight":1,"zone":"a"}
            """
        }
        let pendingNodes = waiting.map {
            """
            {"admits_itself":false,"client":"127.0.0.1:2","id":"\($0)","peer":"h:3","state":"waiting","weight":2,\
            "zone":"b"}
            """
        }
        return """
            {"assignments":[{"first_slot":0,"last_slot":16383,"leader":"n1","partition":0,"replicas":["n1"]}],\
            "cluster":"demo","coordinator":"n1","epoch":4,"nodes":[\(members.joined(separator: ","))],"partitions":\(partitions),\
            "plan":\(plan ?? "null"),"replicas":3,"waiting":[\(pendingNodes.joined(separator: ","))]}
            """
    }

    private static func list(_ ids: [String]) -> String { "[" + ids.map { "\"\($0)\"" }.joined(separator: ",") + "]" }
}
