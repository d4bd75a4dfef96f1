-- part_settle: how a lease or a doubt ends, and what becomes of the job's place.
--
-- Needs  part_slot, part_window, part_lanes, part_books, part_rows; doubts (category -> ms).
-- open    HASH  job -> state, moment 6, row
--   state F in flight until the moment, D in doubt since it; small letters hold no place
-- doubts  ZSET  job -> when its doubt time is over
--
-- Mirror of adapters/memory/settle.py.
local function parse_open(job, record)
  local letter, since = byte(record), number6(record, 2)
  local lane, sequence = lane_of_job(job)
  return { job = job, lane = lane, sequence = sequence, doubted = letter == 68 or letter == 100,
    since = since, hold = (letter == 70 or letter == 68) and since or 0, row = sub(record, 8),
    recipient = sub(record, 13, 20), win = window_of(lane), gone = false }
end

local CLAIMED_JOB = '([%d%.]+):?(%d*)' -- a job of a claim and its fence, which is 1 unless told
local closed_jobs, closed_doubts = {}, {}

local function begin_settle()
  if closed_jobs[1] then closed_jobs = {} end
  if closed_doubts[1] then closed_doubts = {} end
end

local function flush_closed()
  for i = 1, #closed_jobs, 400 do
    call('HDEL', tag .. 'open', unpack(closed_jobs, i, min(i + 399, #closed_jobs)))
  end
  if #closed_doubts > 0 then call('ZREM', tag .. 'doubts', unpack(closed_doubts)) end
  closed_jobs, closed_doubts = {}, {}
end

-- drop_open: a job is neither in flight nor in doubt any more.
local function drop_open(opened)
  closed_jobs[#closed_jobs + 1] = opened.job
  if opened.doubted then closed_doubts[#closed_doubts + 1] = opened.job end
  opened.gone = true
  count(opened.lane.source, opened.doubted and 's:in_doubt' or 's:in_flight', -1)
end

-- close: end a lease or a doubt; its hold gives way to `proof` (0: to nothing).
local function close(opened, proof)
  if opened.hold > 0 then
    replace(opened.win, opened.recipient, opened.hold, proof)
  end
  drop_open(opened)
end

local function end_open(opened, letter, field, delivery, mark, code, wamid)
  local row = opened.row
  -- Nobody can say "never sent" of a job that followed a doubt.
  if letter ~= 'A' and byte(row, 17) > 0 then letter, field = 'U', 's:unknown' end
  local packed = pack_end(letter, delivery, sub(row, 14, 15), mark, opened.recipient, code, wamid)
  write_end(opened.lane, opened.sequence, packed, field)
end

-- accept: the job ends accepted; its place is kept, counted from now.
local function accept(opened, wamid, held)
  local mark = opened.hold > 0 and now or 0
  close(opened, mark)
  end_open(opened, 'A', 's:accepted', held and 1 or 0, mark, 0, wamid)
  if held then count(opened.lane.source, 'd:held', 1) end
end
