-- template_end: the jobs that wait for a disabled or deleted template end: O(lanes), not O(jobs).
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_cancel
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  template  WABA/name/language
--
-- Returns  source, how many of its jobs ended, ...; none where the template may still come back
--
-- What is under way is settled as ever; what comes back unwritten, or was kept aside, ends then.
-- The rows of a draft stay: it may still be given another message.
local code, found = OVER[template_of(argv[3]).status], {}
if not code then return found end
for _, number in ipairs(call('LRANGE', tag .. 'lanes_for:' .. argv[3], 0, -1)) do
  local lane = lane_of(tonumber(number))
  if source_of(lane.source).state ~= 'draft' then
    now_has('ended')
    call('HSET', tag .. 'ended', number, call('HGET', lane.key, 'last') .. '|' .. code)
    local waiting = cancel_waiting(lane)
    if waiting > 0 then
      found[#found + 1] = lane.source
      found[#found + 1] = waiting
    end
  end
end
flush_counts()
touch(true)
return found
