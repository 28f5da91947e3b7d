-- Sends one request again and again and prints the figures as one line of JSON.
-- The request is read from a file: a request line, headers, an empty line, a body.
--
--   wrk -s request.lua URL -- FILE
--
-- No `response` hook: it would cost more than the request.

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local head, body = file:read("*a"):match("^(.-\r\n)\r\n(.*)$")
   file:close()
   wrk.method, wrk.path = head:match("^(%u+) (%S+)")
   for name, value in head:gmatch("\n([^:\r\n]+): ([^\r\n]*)") do
      wrk.headers[name] = value
   end
   if #body > 0 then wrk.body = body end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests":%d,"seconds":%f,"p50_us":%f,"p99_us":%f,"refused":%d,"broken":%d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
