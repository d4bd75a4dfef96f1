-- part_pair_waits: a pair that Meta refused (131056) waits; longer each time in a row.
--
-- Needs       part_settle, part_proofs. Mirror of engine/pace.py, class PairRefused.
-- pairs       ZSET  see gate_pair
-- pair_waits  ZSET  sender:recipient -> when it was refused last, epoch ms * 8 + how often in a row
local PAIR_BURST, PAIR_SLACK_MS, PAIR_MEMORY_MS = 44, 1500, 60000

-- pair_wait: how long a pair waits after so many refusals in a row.
local function pair_wait(refusals) return 1000 * 4 ^ min(refusals - 1, 4) end

-- close_pair: a pair that Meta refused waits, each time in a row four times as long; returns until
-- when. In a row: within a minute after the last wait, and nothing was accepted since the refusal.
local function close_pair(opened, until_ms)
  now_has('pairs')
  local name, waits = opened.lane.sender .. ':' .. opened.recipient, tag .. 'pair_waits'
  local known, refusals = tonumber(call('ZSCORE', waits, name) or 0), 1
  local before, refused_ms = known % 8, floor(known / 8)
  if before > 0 and now <= refused_ms + pair_wait(before) + PAIR_MEMORY_MS
    and score_of(opened.win, opened.recipient) <= max(refused_ms, cut) then
    refusals = min(before + 1, 5)
  end
  until_ms = max(until_ms, now + pair_wait(refusals))
  call('ZADD', waits, now * 8 + refusals, name)
  call('PEXPIRE', waits, pair_wait(5) + PAIR_MEMORY_MS) -- housekeeping: no answer depends on it
  call('ZADD', tag .. 'pairs', 'GT', (until_ms - PAIR_SLACK_MS) * 64 + PAIR_BURST, name)
  return until_ms
end
