-- part_pair_waits: a pair that Meta refused (131056) waits; longer each time in a row.
--
-- Needs       part_settle, part_proofs. Mirror of engine/pace.py, class PairRefused.
-- pairs       ZSET  see gate_pair
-- pair_waits  ZSET  sender:recipient -> when it was refused last, epoch ms * 8 + how often in a row
local PAIR_BURST, PAIR_SLACK_MS, PAIR_MEMORY_MS = 44, 1500, 60000

-- pair_wait: how long a pair waits after so many refusals in a row.
local function pair_wait(refusals) return 1000 * 4 ^ min(refusals - 1, 4) end

-- close_pair: a pair that Meta refused waits, each time in a row four times as long; returns until
-- when. In a row: within a minute after the last wait, and nothing was accepted after that; what
-- is under way (its moment is to come), or was while the pair waited, says nothing.
local function close_pair(opened, until_ms)
  now_has('pairs')
  local name, waits = opened.lane.sender .. ':' .. opened.recipient, tag .. 'pair_waits'
  local known, refusals = tonumber(call('ZSCORE', waits, name) or 0), 1
  local before = known % 8
  local over_ms = floor(known / 8) + pair_wait(before)
  if before > 0 and now <= over_ms + PAIR_MEMORY_MS then
    local accepted_ms = score_of(opened.win, opened.recipient)
    local is_news = accepted_ms > max(over_ms, cut) and accepted_ms <= now
    refusals = is_news and 1 or min(before + 1, 5)
  end
  if not off.retry then until_ms = max(until_ms, now + pair_wait(refusals)) end
  call('ZADD', waits, now * 8 + refusals, name)
  call('PEXPIRE', waits, pair_wait(5) + PAIR_MEMORY_MS) -- housekeeping: no answer depends on it
  call('ZADD', tag .. 'pairs', 'GT', (until_ms - PAIR_SLACK_MS) * 64 + PAIR_BURST, name)
  return until_ms
end
