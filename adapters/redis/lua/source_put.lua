-- source_put: create, start, pause, resume, stop or cancel a source: O(lanes), later jobs obey too.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_cancel
--
-- KEYS[1]  tag          begin of every key of the portfolio
-- ARGV[1]  now_ms       epoch ms
-- ARGV[2]  terms        see part_terms
-- ARGV[3]  source       its name
-- ARGV[4]  state        draft, scheduled, running, paused, stopped or cancelled
-- ARGV[5]  weight       its share against others
-- ARGV[6]  start_at_ms  when a scheduled one opens by itself
--
-- Returns  sequence
--
-- Cancelling forgets the queues of its lanes; a job kept aside ends when its time comes.
local name, state = argv[3], argv[4]
local key = tag .. 'src:' .. name
if call('HGET', key, 'state') == 'cancelled' then return meta.sequence end
call('HSET', key, 'state', state, 'weight', argv[5])
new_facts()
call('ZREM', tag .. 'openings', name)
if state == 'scheduled' then
  call('ZADD', tag .. 'openings', argv[6], name)
  now_has('openings')
end
if state == 'running' then open_gate('source', name) end
if state == 'cancelled' then
  for _, number in ipairs(call('LRANGE', tag .. 'lanes_of:' .. name, 0, -1)) do
    local lane = lane_of(tonumber(number))
    cancel_waiting(lane)
  end
  flush_counts()
end
touch(true)
return meta.sequence
