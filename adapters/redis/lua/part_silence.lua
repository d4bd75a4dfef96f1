-- part_silence: whether the webhooks of a sender tell what became of its messages.
--
-- Needs  part_slot.
-- s:S  HASH  silent, 1 while they tell nothing; spoke, when the last silence ended

-- note_silence: what was noticed of a sender.
local function note_silence(key, is_silent)
  local was_silent = call('HGET', key, 'silent') == '1'
  if is_silent == was_silent then return end
  if is_silent then
    call('HSET', key, 'silent', 1)
  else
    call('HSET', key, 'silent', 0, 'spoke', now)
  end
end
