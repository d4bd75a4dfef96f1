-- part_evidence: what one status proves about a job, its delivery and its place.
--
-- Needs  part_settle. Mirror of adapters/memory/receive.py.
local UNDELIVERED, DELIVERED = 3, 4
local STATUS = { 'held', 'sent', 'undelivered', 'delivered', 'read' }
local marks, gone

local function begin_evidence() marks, gone = {}, {} end

local function count_foreign(receipt)
  if not receipt.counts or receipt.rank < DELIVERED then return end
  local win = window('')
  if receipt.at_ms > score_of(win, receipt.recipient) then
    replace(win, receipt.recipient, 0, receipt.at_ms)
  end
end

-- settle_open: a status settles a job that is open, or that waits for a repeat.
local function settle_open(receipt, record, settled, cancelled)
  local job = receipt.job
  if not record or gone[job] then
    if not receipt.failed and call('SISMEMBER', tag .. 'repeating', job) == 1 then
      if cancel_repeat(job, receipt.wamid) then cancelled[#cancelled + 1] = job end
    end
    return
  end
  local opened = parse_open(job, record)
  if not receipt.failed then
    accept(opened, receipt.wamid, false)
  elseif receipt.fence == row_fence(opened.row) then
    local kept = not receipt.undelivered and opened.hold > 0 and now or 0
    close(opened, kept)
    end_open(opened, 'F', 's:failed', 0, kept, receipt.code, '')
  else
    return
  end
  gone[job] = true
  settled[#settled + 1] = job
end

-- read_end: an ended job, this call's own ends included.
local function read_end(receipt)
  local key = done_key(receipt.number, receipt.sequence)
  flush_ends(keep_ms)
  local packed = marks[key] and marks[key][receipt.sequence]
    or call('HGET', key, receipt.sequence)
  return packed, key
end

local function write_mark(key, sequence, packed)
  marks[key] = marks[key] or {}
  marks[key][sequence] = packed
end

local function flush_marks()
  for key, fields in pairs(marks) do
    for sequence, packed in pairs(fields) do call('HSET', key, sequence, packed) end
    call('PEXPIRE', key, keep_ms)
  end
end

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
  if not packed then return end
  local before = packed
  if #packed == 22 and receipt.wamid ~= '' then packed = packed .. receipt.wamid end
  local rank, lane = tonumber(sub(packed, 2, 2)), lane_of(receipt.number)
  local stale = receipt.failed and receipt.fence ~= number2(packed, 3)
  if not stale and receipt.rank > rank then
    packed = sub(packed, 1, 1) .. receipt.rank .. sub(packed, 3)
    if sub(packed, 1, 1) == 'A' then
      if rank > 0 then count(lane.source, 'd:' .. STATUS[rank], -1) end
      count(lane.source, 'd:' .. STATUS[receipt.rank], 1)
    end
    packed = move_mark(receipt, lane, packed)
  elseif receipt.rank >= DELIVERED then
    -- A second copy may arrive after the first was read: the latest arrival is what counts.
    packed = move_mark(receipt, lane, packed)
  end
  if packed ~= before then write_mark(key, receipt.sequence, packed) end
end
