-- part_accepted: plain acceptances, which is what nearly every write ends with, told in few steps.
--
-- Needs  part_apply, part_log. What it does to each job is what accept and note would do.
--
-- An acceptance is plain when the job is in flight, its attempt is the one told of, and its hold
-- is all its person has in the window.
local GONE = { gone = true }
local accepted, now_end, hold_at, hold_bytes = {}, nil, nil, nil

local function begin_accepted()
  now_end, hold_bytes = now_bytes, nil
  if next(accepted) then accepted = {} end
end

local function asked_in(win)
  win.asked = win.asked or {}
  return win.asked
end

-- ask_scores: the scores of a batch's people are read at once, window by window. Returns each
-- job's lane and the rest of its name.
local function ask_scores(records, jobs_at)
  local lanes_at, rests = { unpack(records) }, { unpack(records) } -- of their size at once
  local lane, prefix, width, asked = nil, nil, 0, nil
  for i, record in ipairs(records) do
    if record then
      local job = argv[jobs_at + i]
      if sub(job, 1, width) ~= prefix then
        lane = lane_of_job(job)
        prefix, asked = lane.prefix, asked_in(window_of(lane))
        width = #prefix
      end
      lanes_at[i], rests[i] = lane, sub(job, width + 1)
      asked[#asked + 1] = sub(record, 13, 20)
    end
  end
  for _, win in pairs(windows) do fetch_scores(win, asked_in(win)) end
  return lanes_at, rests
end

-- hold_of: until when a record in flight holds its place; a batch was mostly claimed at once.
local function hold_of(record)
  local bytes = sub(record, 2, 7)
  if bytes ~= hold_bytes then hold_bytes, hold_at = bytes, number6(record, 2) end
  return hold_at
end

-- end_fields: what this call has to write into the bucket of a record's sequence.
local function end_fields(lane, sequence, record)
  local high, low = sub(record, 8, 10), byte(record, 11)
  if lane.end_high ~= high or low - low % 16 ~= lane.end_low
    or ends[lane.done_key] ~= lane.end_fields then -- they may have been written meanwhile
    lane.end_high, lane.end_low = high, low - low % 16
    lane.end_fields = ends_of(lane, tonumber(sequence))
  end
  return lane.end_fields
end

-- accept_plain: end a job as accepted when its acceptance is plain; whether it was.
local function accept_plain(lane, job, sequence, record, fence, wamid)
  if byte(record) ~= 70 or sub(record, 21, 22) ~= fence then return false end
  local win, recipient, hold = lane.win, sub(record, 13, 20), hold_of(record)
  if hold <= cut or hold == now -- then a second telling would look like the first
    or win.scores[recipient] ~= hold or has_several(win, recipient) then
    return false
  end
  if some_strikes then unstrike(lane) end
  local adds, fields = win.adds, end_fields(lane, sequence, record)
  local at, end_at = #adds, #fields
  win.scores[recipient], adds[at + 1], adds[at + 2] = now, now_text, recipient
  closed_jobs[#closed_jobs + 1] = job
  fields[end_at + 1] = sequence
  fields[end_at + 2] = 'A0' .. fence .. now_end .. recipient .. '\0\0\0\0' .. wamid
  logged[#logged + 1] = job .. 'A+' .. recipient .. now_end
  accepted[lane] = (accepted[lane] or 0) + 1
  return true
end

local function flush_accepted()
  if not next(accepted) then return end
  for lane, times in pairs(accepted) do
    count(lane.source, 's:in_flight', -times)
    count(lane.source, 's:accepted', times)
    ended = ended + times
  end
  accepted = {}
end
