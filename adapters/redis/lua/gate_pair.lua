-- gate_pair: one message per six seconds to the same person; a burst is paid back whole.
--
-- Needs  part_window, part_rows. Mirror of engine/pace.py, class PairSpent and what follows it.
-- pairs  ZSET  sender:recipient -> (until when it is paid back, epoch ms) * 64 + messages borrowed
--
-- A pair is written down only for its second message within the interval: the first one is told
-- by the window's score, so a campaign pays nothing here.
local PAIR_INTERVAL_MS, PAIR_SLACK_MS = 6000, 1500
local some_pairs, pair_cache, pair_writes = nil, {}, {}

local function begin_gate_pair()
  some_pairs = meta.has.pairs
  if next(pair_cache) then pair_cache = {} end
  if next(pair_writes) then pair_writes = {} end
end

-- pair_spent: until when a pair owes, and for how many messages; 0 when it owes nothing.
local function pair_spent(lane, recipient)
  if some_pairs then
    local name = lane.sender .. ':' .. recipient
    local known = pair_cache[name]
    if not known then
      known = tonumber(call('ZSCORE', tag .. 'pairs', name) or 0)
      pair_cache[name] = known
    end
    local messages = known % 64
    local until_ms = (known - messages) / 64
    if until_ms + PAIR_SLACK_MS > now then return until_ms, messages end
  end
  local score = lane.win.scores[recipient]
  if score <= cut then return 0, 0 end
  local until_ms = min(score, now) + PAIR_INTERVAL_MS
  if until_ms + PAIR_SLACK_MS > now then return until_ms, 1 end
  return 0, 0
end

local function pair_ready(until_ms, messages)
  local burst, burst_for_ms = 44, 4500
  local began_ms = until_ms - messages * PAIR_INTERVAL_MS
  if now < began_ms + burst_for_ms and messages < burst then return now end
  return until_ms + PAIR_SLACK_MS
end

local function pair_note(lane, recipient, until_ms, messages)
  local name = lane.sender .. ':' .. recipient
  some_pairs = true
  if until_ms == 0 then until_ms = now end
  pair_cache[name] = (until_ms + PAIR_INTERVAL_MS) * 64 + messages + 1
  pair_writes[name] = pair_cache[name]
end

local function flush_pairs()
  if next(pair_writes) then now_has('pairs') end
  for name, spent in pairs(pair_writes) do
    call('ZADD', tag .. 'pairs', spent, name)
  end
  if some_pairs then
    call('ZREMRANGEBYSCORE', tag .. 'pairs', '-inf', (now - PAIR_SLACK_MS) * 64 + 63)
  end
end
