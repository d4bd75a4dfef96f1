-- template_users: which sources send a template: jobs of theirs wait for it, or came in lately.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  template  WABA/name/language
-- ARGV[4]  since_ms  lately is since then
--
-- Returns  names of sources, some of them twice
local found, since_ms = {}, tonumber(argv[4])
for _, number in ipairs(call('LRANGE', tag .. 'lanes_for:' .. argv[3], 0, -1)) do
  local lane = lane_of(tonumber(number))
  local is_late = tonumber(call('HGET', lane.key, 'at') or 0) >= since_ms
  if is_late or call('EXISTS', lane.queue, lane.parked) > 0 then found[#found + 1] = lane.source end
end
return found
