-- part_throttled: a status that says "too fast" teaches the sender's rate as an answer would.
--
-- Needs  part_settle, part_outcomes, part_evidence. Mirror of adapters/memory/receive.py.
local SECOND_MS = 999 -- a status has whole seconds; its moment is the last that they may mean

-- learn_bare: "too fast" of a message that is not ours, or of none: an error that names a number.
local function learn_bare(sender, told_ms)
  local is_known = call('HEXISTS', tag .. 's:' .. sender, 'nominal') == 1
  if is_known then learn_down(sender, told_ms - SECOND_MS) end
end

-- learn_from: what counts is when the message was sent, as well as that is known.
local function learn_from(receipt, record, told_ms)
  local sent_ms = told_ms - SECOND_MS
  if record and not gone[receipt.job] then
    local opened = parse_open(receipt.job, record)
    sent_ms = min(sent_ms, opened.since - (opened.doubted and 0 or lease_ms))
  else
    local packed = read_end(receipt)
    local mark_ms = packed and number6(packed, 5) or 0
    if mark_ms > 0 then sent_ms = min(sent_ms, mark_ms) end
  end
  learn_down(lane_of(receipt.number).sender, sent_ms)
end
