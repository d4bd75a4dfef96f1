-- part_dead: the row of a job that failed for good is kept, so that an operator may replay it.
--
-- Needs  part_slot, part_rows. Mirror of adapters/memory/slot.py.
-- dead_rows  HASH  job -> row
-- dead_at    ZSET  job -> when it failed
--
-- Only rows that bring their whole message: what rows of a campaign said is kept with its results.
-- Not those that followed a doubt: nobody can say that none of their copies was sent.
-- Content numbers of whole messages are 0, and those from WHOLE on.
local DEAD_MAX, DEAD_BITE, WHOLE = 10000, 500, 32768
local dead, dead_at

local function begin_dead() dead, dead_at = {}, {} end

local function keep_dead(opened)
  local row = opened.row
  local content = number2(row, 19)
  if content > 0 and content < WHOLE or row_repeats(row) > 0 then return end
  local at = #dead
  dead[at + 1], dead[at + 2] = opened.job, row
  dead_at[at + 1], dead_at[at + 2] = now, opened.job
end

-- flush_dead: write what failed in this call; the oldest give way to it.
local function flush_dead()
  if #dead == 0 then return end
  local rows, index = tag .. 'dead_rows', tag .. 'dead_at'
  for i = 1, #dead, 2 * DEAD_BITE do
    local last = min(i + 2 * DEAD_BITE - 1, #dead)
    call('HSET', rows, unpack(dead, i, last))
    call('ZADD', index, unpack(dead_at, i, last))
  end
  local gone = call('ZRANGEBYSCORE', index, '-inf', now - keep_ms, 'LIMIT', 0, 2 * DEAD_BITE)
  local surplus = min(call('ZCARD', index) - DEAD_MAX, 2 * DEAD_BITE)
  if surplus > #gone then gone = call('ZRANGE', index, 0, surplus - 1) end
  if #gone > 0 then
    call('ZREM', index, unpack(gone))
    call('HDEL', rows, unpack(gone))
  end
  call('PEXPIRE', rows, keep_ms)
  call('PEXPIRE', index, keep_ms)
  dead, dead_at = {}, {}
end
