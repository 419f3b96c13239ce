-- POST /greet, the same body every time.
-- luacheck: globals wrk done
wrk.method = "POST"
wrk.path = "/greet"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"name":"Ada","items":[3,4,5]}'

done = require("report").done
