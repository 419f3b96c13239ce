-- POST /orders, the same order every time; each answer is a new durable row.
-- luacheck: globals wrk done
wrk.method = "POST"
wrk.path = "/orders"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"user_id":1,"sku":"ABC-1","qty":2,"price_cents":995}'

done = require("report").done
