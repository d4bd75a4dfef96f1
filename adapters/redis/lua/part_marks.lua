-- part_marks: an ended job's delivery status moves up, and its mark in the window with it.
--
-- Needs  part_evidence.
-- move_mark: a delivery moves the job's proof; a failure after which nobody was reached takes it.
local function move_mark(receipt, lane, packed)
  local mark, recipient = number6(packed, 5), sub(packed, 11, 18)
  local win = window(scope_of(lane.sender))
  if receipt.failed then
    if not receipt.undelivered then return packed end
    if mark > 0 then replace(win, recipient, mark, 0) end
    local high = floor(receipt.code / 65536)
    local code = bytes2(high) .. bytes2(receipt.code - high * 65536)
    return sub(packed, 1, 4) .. bytes6(0) .. recipient .. code .. sub(packed, 23)
  end
  if receipt.rank >= DELIVERED and receipt.counts and receipt.at_ms > mark then
    replace(win, recipient, mark, receipt.at_ms)
    return sub(packed, 1, 4) .. bytes6(receipt.at_ms) .. sub(packed, 11)
  end
  return packed
end

-- annotate: an ended job's delivery status moves up, and its mark with it.
local function annotate(receipt)
  local packed, key = read_end(receipt)
  if not packed then return false end
  local before = packed
  if #packed == 22 and receipt.wamid ~= '' then packed = packed .. receipt.wamid end
  local rank, lane = tonumber(sub(packed, 2, 2)), lane_of(receipt.number)
  local stale = receipt.failed and receipt.fence ~= number2(packed, 3)
  local is_news = not stale and receipt.rank > rank
  if is_news then
    packed = sub(packed, 1, 1) .. receipt.rank .. sub(packed, 3)
    if sub(packed, 1, 1) == 'A' then
      if rank > 0 then count(lane.source, 'd:' .. STATUS[rank], -1) end
      count(lane.source, 'd:' .. STATUS[receipt.rank], 1)
    end
  end
  -- The one copy that was counted when it arrived is not counted again when it is read; a second
  -- copy may arrive after the first was read, and the latest arrival is what counts.
  local was_counted = receipt.rank > DELIVERED and rank >= DELIVERED and number2(packed, 3) == 1
  if (is_news or receipt.rank >= DELIVERED) and not was_counted then
    packed = move_mark(receipt, lane, packed)
  end
  if packed ~= before then write_mark(key, receipt.sequence, packed) end
  return true
end
