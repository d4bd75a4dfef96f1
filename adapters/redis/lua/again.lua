-- again: a leased job whose write never happened asks for a new send time.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows gate_schedule gate_suppression
-- uses: gate_border gate_window part_pace part_market part_again
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  job     lane.sequence
-- ARGV[4]  fence   the attempt its worker knows
--
-- Returns  { gate or '', send_at_us, sequence }
local job, fence = argv[3], tonumber(argv[4])

local record = call('HGET', tag .. 'open', job)
local row = record and find(record, '^[Ff]') and sub(record, 8)
if not row or row_fence(row) ~= fence then return { 'source', 0, meta.sequence } end
local lane = lane_of_job(job)
local key = tag .. 's:' .. lane.sender
local h = call('HMGET', key, 'waba', 'closed', 'nominal', 'learned', 'next_us', 'market')
local gate = closed_now(lane, row, sender_gate(h[1], h[2]))
if gate then return { gate, 0, meta.sequence } end
local rate = rate_of(h[3], h[4])
local sender = { interval_us = interval_of(rate) }
if h[6] then load_market(sender, h[6]) end
local slot_us = take_times(key, h[5], rate, 1)
if is_slowed(sender, lane) then
  take_share(sender, 1)
  call('HSET', key, 'market', sender.market_share .. text(sender.market_us))
end
touch(true)
return { '', slot_us, meta.sequence }
