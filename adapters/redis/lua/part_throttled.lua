-- part_throttled: a status that says "too fast" teaches the sender's rate as an answer would.
--
-- Needs  part_settle, part_outcomes, part_receipts. Mirror of adapters/memory/receive.py.
local SECOND_MS = 999 -- a status has whole seconds; its moment is the last that they may mean

-- learn_from: what counts is when the message was sent, as well as that is known.
local function learn_from(ended, record, lane)
  local place = receipt.place
  local sent_ms = number6(receipts, ranks[place] + 10) - SECOND_MS
  if ended then
    local mark_ms = number6(ended, 5)
    if mark_ms > 0 then sent_ms = min(sent_ms, mark_ms) end
  elseif record then
    local opened = parse_open(job_at(place), record)
    sent_ms = min(sent_ms, opened.since - (opened.doubted and 0 or lease_ms))
  end
  learn_down(lane.sender, sent_ms)
end
