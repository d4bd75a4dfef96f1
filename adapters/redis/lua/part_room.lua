-- part_room: how many more jobs a source takes, and a count of what came under a name.
--
-- Needs  part_slot, part_known (DAY_MS).
-- src:S    HASH  enqueued, among others
-- tally:N  jobs queued under the name N, for a day
-- room_of: how many more jobs a source takes.
local function room_of(source_key, rows_max)
  if rows_max == 0 then return FOREVER end
  return max(0, rows_max - tonumber(call('HGET', source_key, 'enqueued') or 0))
end

-- keep_tally: count what was queued under a name of the caller's.
local function keep_tally(name, accepted)
  if name == '' then return end
  call('INCRBY', tag .. 'tally:' .. name, accepted)
  call('PEXPIRE', tag .. 'tally:' .. name, DAY_MS)
end
