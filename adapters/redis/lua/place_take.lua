-- place_take: a place and a send time for a send that is no job, taken in one step, or refused.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_due part_log part_pace gate_window gate_pair gate_quota
--
-- KEYS[1]  tag        begin of every key of the portfolio
-- ARGV[1]  now_ms     epoch ms
-- ARGV[2]  terms      see part_terms
-- ARGV[3]  sender     who sends
-- ARGV[4]  recipient  to whom, 8 bytes
-- ARGV[5]  template   WABA/name/language
-- ARGV[6]  priority   0 to 3: what the others keep back is closed to it
--
-- Returns  { refused, until_ms, send_at_us, sequence, taken_ms }
--   refused  '' or clock, recovering, sender, template, pair, quota
--   until_ms when that gate may open; FOREVER where nobody knows
--   taken_ms what proves that the person counts, for place_give; 0 where nothing counts
--
-- The person counts from now on. It goes past the gates of sender and source on purpose. Mirror of
-- adapters/memory/place.py.
local sender, recipient = argv[3], argv[4]
local key, scope = tag .. 's:' .. sender, scope_of(sender)
local lane = { sender = sender, template = argv[5], priority = tonumber(argv[6]), scope = scope,
  win = window(scope) }
local h = call('HMGET', key, 'nominal', 'learned', 'next_us')
score_of(lane.win, recipient)
local owed_until, owed = pair_spent(lane, recipient)

local function refused()
  if clock_differs then return 'clock', now + 1000 end
  if now < meta.recovering then return 'recovering', meta.recovering end
  if not h[1] then return 'sender', FOREVER end
  if template_of(lane.template).status ~= 'APPROVED' then return 'template', FOREVER end
  if owed > 0 and not off.pair and pair_ready(owed_until, owed) > now then
    return 'pair', pair_ready(owed_until, owed)
  end
  if not has_place(lane, recipient) then
    local limit = limit_of(scope)
    local frees_ms = frees_at(lane.win, limit[lane.priority] - limit.before)
    return 'quota', frees_ms or FOREVER
  end
end

local why, until_ms = refused()
if why then return { why, until_ms, 0, meta.sequence, 0 } end
local counts = not in_window(lane, recipient)
if owed > 0 or not counts then pair_note(lane, recipient, owed_until, owed) end
if counts then replace(lane.win, recipient, 0, now) end
local slot_us = take_times(key, h[3], rate_of(h[1], h[2]), 1)
note('0.0', 4, counts, recipient)
flush_pairs()
flush_windows()
flush_log()
touch(true)
return { '', 0, slot_us, meta.sequence, counts and now or 0 }
