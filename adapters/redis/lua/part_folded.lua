-- part_folded: receipts that say what most do are folded in one go.
--
-- Needs  part_receipts, part_ends, part_asked, part_marks, part_window. Such a receipt says of an
--        accepted job, for the first time, that its message was sent, has arrived or was read; the
--        person has one proof at most, in a window that this call has not counted. What it leaves
--        is what take_receipt and annotate leave: tests/lua/test_folded.py plays both.
local SENT, FAILED, ARRIVED = 50, 51, 52
local WORDS = { [50] = 'A2', [52] = 'A4', [53] = 'A5' }
local old_text, old_ms, proven_text, proven_ms

local function begin_folded() old_text, proven_ms = nil, nil end

-- moved_mark: the mark moves to the receipt's moment; true where it does, false where it stays,
-- nil where it is not that simple.
local function moved_mark(i, lane, ended)
  local mark = sub(ended, 5, 10)
  if mark ~= old_text then old_text, old_ms = mark, number6(mark, 1) end
  if last_ms <= old_ms then return false end
  local win, recipient = lane.win or window_of(lane), people[i]
  local scores = win.scores
  local score = scores[recipient]
  if win.used or not score or last_ms <= cut then return nil end
  if win.several and not win.is_single[recipient] then return nil end
  if score ~= old_ms and score > cut then return nil end
  if proven_ms ~= last_ms then proven_ms, proven_text = last_ms, text(last_ms) end
  local adds = win.adds
  local at = #adds
  scores[recipient], adds[at + 1], adds[at + 2] = last_ms, proven_text, recipient
  return true
end

-- count_step: jobs of one source in a row that made the same step are counted at once.
local function count_step(source, before, rank, jobs)
  if jobs == 0 then return end
  if before > 48 then count(source, DELIVERY[before - 48], -jobs) end
  count(source, DELIVERY[rank - 48], jobs)
end

-- fold_from: fold such receipts, from this place on; returns the place of the first other one.
local function fold_from(i, count)
  local packed, places, lanes, names, told = receipts, ranks, lanes_told, sequences, buckets_told
  local source, from, to, jobs, entries = nil, 0, 0, 0, logged
  while i <= count do
    local bucket, sequence, rank_at = told[i], names[i], places[i]
    local ended = bucket and bucket.ends[sequence]
    if not ended or (some_odd and byte(packed, heads[i]) >= TOO_FAST) then break end
    local letter, before, high, low = byte(ended, 1, 4)
    local rank, sign = byte(packed, rank_at, rank_at + 1)
    if letter ~= 65 or rank <= before or rank < SENT or rank == FAILED then break end
    local moment, lane, is_moved = sub(packed, rank_at + 10, rank_at + 15), lanes[i], false
    if moment ~= last_moment then read_moment(moment) end
    if rank > SENT and sign == 43 and (before < ARRIVED or high > 0 or low ~= 1) then
      is_moved = moved_mark(i, lane, ended)
      if is_moved == nil then break end
    end
    if before ~= from or rank ~= to or lane.source ~= source then
      count_step(source, from, to, jobs)
      source, from, to, jobs = lane.source, before, rank, 0
    end
    local wamid = #ended == BARE and wamid_at(i) or ''
    if is_moved then
      ended = WORDS[rank] .. sub(ended, 3, 4) .. last_seen .. sub(ended, 11) .. wamid
    else
      ended = WORDS[rank] .. sub(ended, 3) .. wamid
    end
    local changed, at = bucket.changed, bucket.size + 2
    bucket.ends[sequence], changed[at - 1], changed[at], bucket.size = ended, sequence, ended, at
    if moment == last_seen then
      entries[#entries + 1] = sub(packed, heads[i] + HEAD, rank_at + 15)
    else
      note_receipt(i)
    end
    jobs, i = jobs + 1, i + 1
  end
  count_step(source, from, to, jobs)
  return i
end
