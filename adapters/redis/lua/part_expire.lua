-- part_expire: jobs that wait in a lane end when their time is over, whatever gate holds them.
--
-- Needs  part_rows, part_rest, part_log. Mirror of adapters/memory/expire.py.
-- expiring  ZSET  lane -> not later than its first row expires; `lane+` -> when its walk goes on
-- lane:N    HASH  walk: list, rows from its end that are done with, earliest expiry among them
--
-- The first rows of both lists of a lane are looked at every time: there stand those that expire
-- first, where all are given the same time. What expires behind others is found by a walk from the
-- end of each list, a bite a second, which nothing that leaves or comes back at the front disturbs.
local LANES_MAX, EVERY_MS = 8, 1000
local expired, bite_max

local function expire_row(lane, row)
  local job, letter, field = job_name(lane, row), 'E', 's:expired'
  if row_repeats(row) > 0 then
    if call('SREM', tag .. 'repeating', job) == 0 then -- a ghost: its job has ended
      lane.ghosts = lane.ghosts - 1
      call('HINCRBY', lane.key, 'ghosts', -1)
      return
    end
    letter, field = 'U', 's:unknown' -- nobody can say "never sent" of it
  end
  local packed = pack_end(letter, 0, sub(row, 14, 15), 0, row_recipient(row), 0, '')
  write_end(lane, row_sequence(row), packed, field)
  note(job, letter, false, row_recipient(row))
  expired[#expired + 1] = job
end

-- sift: take the rows that are over out of a bite whose first row stands at `from`, which is
-- negative when it is counted from the end. Returns how many, and when the next of them expires.
local function sift(lane, list, rows, from)
  local gone, leading, first = 0, 0, FOREVER
  for i, row in ipairs(rows) do
    local expires_ms = row_expires(row)
    if expires_ms > 0 and expires_ms <= now then
      expire_row(lane, row)
      gone = gone + 1
      if from == 0 and gone == i then leading = i else call('LSET', list, from + i - 1, '') end
    elseif expires_ms > 0 then
      first = min(first, expires_ms)
    end
  end
  if leading > 0 then call('LTRIM', list, leading, -1) end
  if gone > leading then call('LREM', list, from < 0 and leading - gone or gone - leading, '') end
  return gone, first
end

-- sift_fronts: whether the first bites are all of the lane, and whether all of one was over.
local function sift_fronts(lane)
  local first, is_whole, is_full = FOREVER, true, false
  for _, list in ipairs({ lane.queue, lane.parked }) do
    local rows = call('LRANGE', list, 0, bite_max - 1)
    local gone, next_ms = sift(lane, list, rows, 0)
    first = min(first, next_ms)
    is_whole = is_whole and #rows < bite_max
    is_full = is_full or gone == bite_max
  end
  return first, is_whole, is_full
end
