-- part_marks: an ended job's delivery status moves up, and its mark in the window with it.
--
-- Needs  part_receipts, part_ends, part_proofs, part_outcomes. Mirror of
--        adapters/memory/receive.py.
local DELIVERY = { 'd:held', 'd:sent', 'd:undelivered', 'd:delivered', 'd:read' }
local NO_MARK, BARE = '\0\0\0\0\0\0', 22

-- move_mark: a delivery moves the job's proof, a failure after which nobody was reached takes it;
-- returns the mark and the code, as an end packs them, where they are others now.
local function move_mark(ended, lane)
  local mark, recipient = number6(ended, 5), sub(ended, 11, 18)
  if receipt.rank == UNDELIVERED then
    if was_reached() then return nil end
    if mark > 0 then replace(window_of(lane), recipient, mark, 0) end
    disprove_window(code_told(), lane, recipient, receipt.at_ms)
    local code_at = heads[receipt.place] + 10
    return NO_MARK, sub(receipts, code_at, code_at + 3)
  end
  if receipt.rank >= DELIVERED and receipt.counts and receipt.at_ms > mark then
    replace(window_of(lane), recipient, mark, receipt.at_ms)
    return receipt.moment, sub(ended, 19, 22)
  end
  return nil
end

-- annotate: an ended job's delivery status moves up, and its mark with it.
local function annotate(ended, lane)
  local rank, letter, delivery, high, low = receipt.rank, byte(ended, 1, 4)
  local before = delivery - 48
  local is_stale = rank == UNDELIVERED and fence_told() ~= high * 256 + low
  local is_news = not is_stale and rank > before
  if is_news and letter == 65 then -- only what was accepted counts by its delivery
    if before > 0 then count(lane.source, DELIVERY[before], -1) end
    count(lane.source, DELIVERY[rank], 1)
  end
  local mark, code
  if (is_news or rank >= DELIVERED) and not was_counted(rank, ended) then
    mark, code = move_mark(ended, lane)
  end
  local wamid = #ended == BARE and wamid_told() or ''
  if not (is_news or mark or wamid ~= '') then return end
  local rank_at = ranks[receipt.place]
  local first = is_news and sub(ended, 1, 1) .. sub(receipts, rank_at, rank_at) or sub(ended, 1, 2)
  if mark then
    local rest = mark .. sub(ended, 11, 18) .. code .. sub(ended, 23)
    set_end(first .. sub(ended, 3, 4) .. rest .. wamid)
  else
    set_end(first .. sub(ended, 3) .. wamid)
  end
end
