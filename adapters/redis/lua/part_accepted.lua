-- part_accepted: plain acceptances, which is what nearly every write ends with, told in few steps.
--
-- Needs  part_apply, part_log. What it does to each job is what accept and note would do.
--
-- An acceptance is plain when the job is in flight, its attempt is the one told of, and its hold
-- is all its person has in the window.
local GONE = { gone = true }
local accepted

local function begin_accepted() accepted = {} end

-- ask_scores: the scores of a batch's people are read at once, window by window. Returns each
-- job's lane and the rest of its name.
local function ask_scores(listed, records)
  local lanes_at, rests = {}, {}
  for i, job in ipairs(listed) do
    local record = records[i]
    if record then
      local lane, rest = lane_of_job(job)
      local asked = window_of(lane).asked
      lanes_at[i], rests[i] = lane, rest
      asked[#asked + 1] = sub(record, 13, 20)
    end
  end
  for _, win in pairs(windows) do fetch_scores(win, win.asked) end
  return lanes_at, rests
end

-- accept_plain: end a job as accepted when its acceptance is plain; whether it was.
local function accept_plain(lane, sequence, record, fence, wamid)
  if byte(record, 1) ~= 70 or digits(number2(record, 21)) ~= fence then return false end
  local win, recipient, hold = lane.win, sub(record, 13, 20), number6(record, 2)
  if hold <= cut or win.scores[recipient] ~= hold or has_several(win, recipient) then
    return false
  end
  unstrike(lane)
  local job = lane.prefix .. sequence
  win.scores[recipient], win.dirty[recipient] = now, true
  closed_jobs[#closed_jobs + 1] = job
  local fields = ends_of(lane, sequence)
  local at = #fields
  fields[at + 1] = sequence
  fields[at + 2] = 'A0' .. sub(record, 21, 22) .. now_bytes .. recipient .. '\0\0\0\0' .. wamid
  logged[#logged + 1] = job .. 'A+' .. recipient .. now_bytes
  accepted[lane] = (accepted[lane] or 0) + 1
  return true
end

local function flush_accepted()
  for lane, times in pairs(accepted) do
    count(lane.source, 's:in_flight', -times)
    count(lane.source, 's:accepted', times)
    ended = ended + times
  end
  accepted = {}
end
