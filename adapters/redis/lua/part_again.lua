-- part_again: which gate has closed for a job since it was claimed.
--
-- Needs  part_lanes, part_rows and the gates of a single job. Mirror of adapters/memory/settle.py.

-- sender_gate: the gate of a sender of an account that is closed until a moment, as HMGET has it.
local function sender_gate(waba, closed_until)
  if not waba then return 'sender' end
  if tonumber(closed_until or 0) > now and not off.sender then return 'sender' end
  if tonumber(call('HGET', tag .. 'accounts', waba) or 0) > now and not off.account then
    return 'account'
  end
end

-- closed_now: the gate that closed since the job was claimed; nil when all are open.
local function closed_now(lane, row, sender_is_closed_by)
  local gate = closed_gate(lane)
  if gate then return gate end
  if sender_is_closed_by then return sender_is_closed_by end
  local recipient = row_recipient(row)
  if is_expired(row) then return 'schedule' end
  if is_suppressed(lane, recipient) then return 'suppression' end
  if some_borders and is_behind(lane, row) then return 'suppression' end
  if lane.template == '' and not off.window and not in_window(lane, recipient) then
    return 'window'
  end
end
