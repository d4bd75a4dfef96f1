-- part_late: an outcome that comes after its lease is evidence: it proves, and moves nothing back.
--
-- Needs  part_settle, part_repeats, part_log, part_outcomes.
-- take_as_evidence: an acceptance that comes after its lease proves, and moves nothing backwards.
local function take_as_evidence(job, wamid)
  local sequence = tonumber(string.match(job, '%d+$'))
  local key = done_key(lane_of_job(job).number, sequence)
  flush_ends(keep_ms) -- it may have ended a moment ago, in this very call
  local done = call('HGET', key, sequence)
  if done then
    if #done == 22 then call('HSET', key, sequence, done .. wamid) end
  elseif call('SISMEMBER', tag .. 'repeating', job) == 1 then
    cancel_repeat(job, wamid)
  end
end

-- retell: an outcome may be told again because its answer was lost: what it closed, and is closed
-- still, is answered again. A learned rate is not: it is in force, and nothing hangs on who hears
-- of it. Mirror of adapters/memory/retold.py.
local function retell(job, kind, detail)
  local lane, key, closed = lane_of_job(job), nil, false
  if not lane.sender then return end -- forgotten
  local gate, until_ms = string.match(detail, '^(%a+)|%d+|(%d+)$')
  if kind == 'F' and string.match(detail, '^%d+|(%d)') == '1' then gate = 'template' end
  if gate == 'template' then
    key = lane.sender .. '|' .. lane.template
    closed = call('SISMEMBER', tag .. 'struck', key) == 1
  elseif (gate == 'sender' or gate == 'account') and tonumber(until_ms) > now then
    local holder, field = tag .. 's:' .. lane.sender, 'closed'
    key = lane.sender
    if gate == 'account' then
      holder, key = tag .. 'accounts', call('HGET', holder, 'waba')
      field = key
    end
    closed = tonumber(call('HGET', holder, field) or 0) >= tonumber(until_ms)
  end
  if not closed then return end
  for i = 1, #news, 2 do
    if news[i] == gate and news[i + 1] == key then return end
  end
  tell(gate, key)
end

-- take_late: an outcome whose lease is over, or whose job has been written again meanwhile.
local function take_late(opened, job, kind, wamid)
  if kind ~= 'A' and kind ~= 'H' then return retell(job, kind, wamid) end
  if opened and not opened.gone then
    accept(opened, wamid, kind == 'H') -- an earlier copy was taken: a later one needs not be
    note(job, kind, opened.hold > 0, opened.recipient)
  else
    take_as_evidence(job, wamid)
  end
end
