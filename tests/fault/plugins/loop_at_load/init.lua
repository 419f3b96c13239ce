-- attack: an endless loop when the plugin is loaded
-- in: Lua
-- stopped by: the load budget, in the verify child
-- answer: not live: took more than 500 ms of CPU time
while true do end
