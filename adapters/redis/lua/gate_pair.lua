-- gate_pair: one message per six seconds to the same person, bursts of 44 ahead of the clock.
--
-- Needs  part_window, part_rows. Mirror of engine/pace.py, pair_ready_at_ms and pair_after_ms.
-- pairs  ZSET  sender:recipient -> until when the pair's budget is spent, epoch ms
--
-- A pair is written down only for its second message within the interval: the first one is told
-- by the window's score, so a campaign pays nothing here.
local PAIR_INTERVAL_MS, PAIR_BURST = 6000, 44
local some_pairs, pair_cache, pair_writes

local function begin_gate_pair()
  some_pairs, pair_cache, pair_writes = meta.has.pairs, {}, {}
end

local function pair_horizon(lane, recipient)
  if some_pairs then
    local name = lane.sender .. ':' .. recipient
    local known = pair_cache[name]
    if not known then
      known = tonumber(call('ZSCORE', tag .. 'pairs', name) or 0)
      pair_cache[name] = known
    end
    if known > now then return known end
  end
  local score = score_of(window(scope_of(lane.sender)), recipient)
  if score <= cut then return 0 end
  return min(score, now) + PAIR_INTERVAL_MS
end

local function pair_ready(horizon)
  return max(now, horizon - (PAIR_BURST - 1) * PAIR_INTERVAL_MS)
end

local function pair_note(lane, recipient, horizon)
  local name = lane.sender .. ':' .. recipient
  some_pairs = true
  pair_cache[name] = max(horizon, now) + PAIR_INTERVAL_MS
  pair_writes[name] = pair_cache[name]
end

local function flush_pairs()
  if next(pair_writes) then now_has('pairs') end
  for name, horizon in pairs(pair_writes) do
    call('ZADD', tag .. 'pairs', horizon, name)
  end
  if some_pairs then call('ZREMRANGEBYSCORE', tag .. 'pairs', '-inf', now) end
end
