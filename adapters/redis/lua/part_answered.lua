-- part_answered: what an answer closed stays closed for a moment, whatever is put meanwhile.
--
-- Needs     part_slot.
-- answered  HASH  `sender|S`, `account|W` -> until when a put opens it no sooner: see part_outcomes
--
-- Whoever puts computes from what was told, and an answer is told a moment after it closed.
-- Mirror of adapters/memory/shut.py.

-- closed_until: until when a gate is closed that is put so.
local function closed_until(holder, key, field, put_ms)
  local hold = tonumber(call('HGET', tag .. 'answered', holder) or 0)
  if hold == 0 then return text(put_ms) end
  if hold <= now then
    call('HDEL', tag .. 'answered', holder)
    return text(put_ms)
  end
  return text(max(put_ms, min(hold, tonumber(call('HGET', key, field) or 0))))
end
