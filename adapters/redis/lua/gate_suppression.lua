-- gate_suppression: who asked not to be written to is not written to.
--
-- Needs  part_lanes, part_rows.
-- suppressed  SET  recipient:category, or recipient: for all categories
local some_suppressed

local function begin_gate_suppression()
  some_suppressed = not off.suppression and meta.has.suppressed
end

local function is_suppressed(lane, recipient)
  if not some_suppressed then return false end
  local hits = call('SMISMEMBER', tag .. 'suppressed', recipient .. ':',
    recipient .. ':' .. category_of(lane))
  return hits[1] == 1 or hits[2] == 1
end
