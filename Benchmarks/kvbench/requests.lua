-- wrk's requests, from files that say everything: TARGETS lists one "HOST PORT FILE" a thread, in turns; FILE holds the
-- thread's requests, each preceded by its length in bytes on a line of its own. So both sides of a comparison cost wrk
-- the same. Prints one line of JSON after "RESULT ".
local targets = {}
for line in io.lines(os.getenv("TARGETS")) do
    local host, port, file = line:match("^(%S+) (%S+) (%S+)$")
    targets[#targets + 1] = { host = host, port = port, file = file }
end

local count = 0
function setup(thread)
    local target = targets[count % #targets + 1]
    count = count + 1
    for _, address in ipairs(wrk.lookup(target.host, target.port)) do
        if wrk.connect(address) then
            thread.addr = address
            break
        end
    end
    thread:set("file", target.file)
end

local requests, index = {}, 0
function init()
    local input = assert(io.open(file, "rb"))
    while true do
        local length = input:read("*l")
        if not length then break end
        requests[#requests + 1] = input:read(tonumber(length))
    end
    input:close()
end

function request()
    index = index % #requests + 1
    return requests[index]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"throughput":%.1f,"p50":%.3f,"p99":%.3f,"p99.9":%.3f,"failed":%d}\n',
        summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
        latency:percentile(99.9) / 1000,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
