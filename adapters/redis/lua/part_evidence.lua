-- part_evidence: what one status proves about a job, its delivery and its place.
--
-- Needs  part_settle, part_dead. Mirror of adapters/memory/receive.py.
local UNDELIVERED, DELIVERED = 3, 4
local STATUS = { 'held', 'sent', 'undelivered', 'delivered', 'read' }
local marks, gone

local function begin_evidence() marks, gone = {}, {} end

-- count_arrival: a delivery that no job here stands for: somebody else's, or a cancelled job's.
local function count_arrival(receipt, scope)
  if not receipt.counts or receipt.rank < DELIVERED then return end
  prove(window(scope), receipt.recipient, receipt.at_ms)
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
    keep_dead(opened)
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
