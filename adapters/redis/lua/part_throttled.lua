-- part_throttled: a status that says "too fast" teaches the sender's rate as an answer would.
--
-- Needs  part_settle, part_outcomes, part_receipts. Mirror of adapters/memory/receive.py.
local SECOND_MS = 999 -- a status has whole seconds; its moment is the last that they may mean

local function sent_told() return number6(receipts, ranks[receipt.place] + 10) - SECOND_MS end

-- learn_bare: "too fast" of a message that is not ours, or of none: an error that names a number.
local function learn_bare()
  local sender = sender_at(receipt.place)
  local is_known = call('HEXISTS', tag .. 's:' .. sender, 'nominal') == 1
  if is_known then learn_down(sender, sent_told()) end
end

-- learn_from: what counts is when the message was sent, as well as that is known.
local function learn_from(ended, record, lane)
  local sent_ms = sent_told()
  if ended then
    local mark_ms = number6(ended, 5)
    if mark_ms > 0 then sent_ms = min(sent_ms, mark_ms) end
  elseif record then
    local opened = parse_open(job_at(receipt.place), record)
    sent_ms = min(sent_ms, opened.since - (opened.doubted and 0 or lease_ms))
  end
  learn_down(lane.sender, sent_ms)
end
