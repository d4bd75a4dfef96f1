-- part_marks: an ended job's delivery status moves up, and its mark in the window with it.
--
-- Needs  part_receipts, part_ends, part_proofs. Mirror of adapters/memory/receive.py.
local DELIVERY = { 'd:held', 'd:sent', 'd:undelivered', 'd:delivered', 'd:read' }
local NO_MARK, BARE = '\0\0\0\0\0\0', 22

-- move_mark: a delivery moves the job's proof, a failure after which nobody was reached takes it;
-- returns the mark and the code, as an end packs them, where they are others now.
local function move_mark(ended)
  local mark, recipient = number6(ended, 5), sub(ended, 11, 18)
  local win = window_of(receipt.lane)
  if receipt.failed then
    if receipt.flags % 2 == 0 then return nil end
    if mark > 0 then replace(win, recipient, mark, 0) end
    return NO_MARK, code_bytes_told()
  end
  if receipt.rank >= DELIVERED and receipt.counts and receipt.at_ms > mark then
    replace(win, recipient, mark, receipt.at_ms)
    return receipt.moment, sub(ended, 19, 22)
  end
  return nil
end

-- count_delivery: an accepted job counts under its new delivery status.
local function count_delivery(before)
  local source = receipt.lane.source
  if before > 0 then count(source, DELIVERY[before], -1) end
  count(source, DELIVERY[receipt.rank], 1)
end

-- annotate: an ended job's delivery status moves up, and its mark with it; false where its job has
-- not ended.
local function annotate()
  local ended = end_at(receipt.place)
  if not ended then return false end
  local rank, letter, delivery, high, low = receipt.rank, byte(ended, 1, 4)
  local before = delivery - 48
  local is_stale = receipt.failed and fence_told() ~= high * 256 + low
  local is_news = not is_stale and rank > before
  local mark, code
  if is_news and letter == 65 then count_delivery(before) end
  if (is_news or rank >= DELIVERED) and not was_counted(rank, ended) then
    mark, code = move_mark(ended)
  end
  local wamid = #ended == BARE and wamid_told() or ''
  if not (is_news or mark or wamid ~= '') then return true end
  local first = is_news and sub(ended, 1, 1) .. digit_told() or sub(ended, 1, 2)
  if mark then
    set_end(first .. sub(ended, 3, 4) .. mark .. sub(ended, 11, 18) .. code .. sub(ended, 23) .. wamid)
  else
    set_end(first .. sub(ended, 3) .. wamid)
  end
  return true
end
