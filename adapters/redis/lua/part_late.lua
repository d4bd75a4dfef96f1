-- part_late: an outcome that comes after its lease is evidence: it proves, and moves nothing back.
--
-- Needs  part_settle, part_repeats, part_log.
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

-- take_late: an acceptance whose lease is over, or whose job has been written again meanwhile.
local function take_late(opened, job, kind, wamid)
  if kind ~= 'A' and kind ~= 'H' then return end
  if opened and not opened.gone then
    accept(opened, wamid, kind == 'H') -- an earlier copy was taken: a later one needs not be
    note(job, kind, opened.hold > 0, opened.recipient)
  else
    take_as_evidence(job, wamid)
  end
end
