-- gate_schedule: a job whose time is over expires instead of being sent.
--
-- Needs  part_rows. Jobs that may not go yet are kept aside and never meet this gate.
local function is_expired(lane, row)
  local expires_ms = row_expires(lane, row)
  return expires_ms > 0 and expires_ms <= now and not off.schedule
end
