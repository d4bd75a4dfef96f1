-- books_read: the books of one source, and what its lanes' queues hold.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_closed
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  source  its name
--
-- Returns  { fields, lanes } or {} when there is no such source
--   fields  name, value, ... of the source's hash
--   lanes   gate or '', queued, parked, ...; both without ghosts
local name = argv[3]
local fields = call('HGETALL', tag .. 'src:' .. name)
if #fields == 0 then return {} end
local flat = {}
for _, number in ipairs(call('LRANGE', tag .. 'lanes_of:' .. name, 0, -1)) do
  local lane, at = lane_of(tonumber(number)), #flat
  flat[at + 1] = closed_gate(lane) or gate_of_sender(lane.sender) or ''
  local queued, parked = call('LLEN', lane.queue), call('LLEN', lane.parked)
  flat[at + 2], flat[at + 3] = without_ghosts(lane, queued, parked)
end
return { fields, flat }
