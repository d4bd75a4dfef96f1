-- part_accepted: plain acceptances, which is what nearly every write ends with, told in few steps.
--
-- Needs  part_told, part_apply, part_log, part_settlements (parsed). What it does to each job is
-- what accept and note would do.
--
-- An acceptance is plain when the job is in flight, its attempt is the one told of, and its hold
-- is all its person has in the window.
local accepted, now_end = {}, nil

local function begin_accepted()
  now_end = now_bytes
  if next(accepted) then accepted = {} end
end

-- hold_of: the hold that records which begin alike share; nil where none is plainly accepted.
local function hold_of(record)
  local hold = number6(record, 2)
  -- At the very end of a lease a second telling would look like the first.
  if byte(record) ~= 70 or hold <= cut or hold == now then return nil end
  return hold
end

local function end_stretch(lane, jobs)
  if jobs == 0 then return end
  if some_strikes then unstrike(lane) end
  accepted[lane] = (accepted[lane] or 0) + jobs
end

-- accept_run: end jobs as accepted from place `i` to `last`, up to the first that is not plain;
-- returns its place. `fence` is what all were told with, nil where `fences` has one for each.
local function accept_run(records, jobs_at, details_at, i, last, fence, fences)
  local lane, head, hold, win, fields, adds, scores, run = nil, nil, nil, nil, nil, nil, nil, 0
  local opened = next(parsed) and parsed -- jobs this call was told of before
  local sub, argv, now, now_text, now_end = sub, argv, now, now_text, now_end
  if not closed_jobs[1] then closed_jobs = array(last - i + 1) end
  if not logged[1] then logged = array(last - i + 1) end
  local rests, closed_jobs, logged = rests, closed_jobs, logged
  local closed, lines, at, end_at = #closed_jobs, #logged, 0, 0
  while i <= last do
    local record, recipient = records[i], people[i]
    if not record then break end
    if lanes_at[i] ~= lane or sub(record, 1, 11) ~= head then
      end_stretch(lane, run)
      lane, head, run = lanes_at[i], sub(record, 1, 11), 0
      hold, fields = hold_of(record), nil
      if not hold then break end
      win = lane.win
      if not win.adds[1] then win.adds = array(4 * (last - i + 1)) end -- as many leave as ended
      adds, scores = win.adds, win.scores
      at = #adds
    end
    local told = fence or sub(fences, i * 2 - 1, i * 2)
    if scores[recipient] ~= hold or sub(record, 21, 22) ~= told
      or win.several and has_several(win, recipient)
      or opened and opened[argv[jobs_at + i]] then break end
    if not fields then
      fields = ends_of(lane, number5(record, 8), last - i + 1)
      end_at = #fields
    end
    local job = argv[jobs_at + i]
    scores[recipient], adds[at + 1], adds[at + 2] = now, now_text, recipient
    closed = closed + 1
    closed_jobs[closed] = job
    fields[end_at + 1] = rests[i]
    fields[end_at + 2] = 'A0' .. told .. now_end .. recipient .. '\0\0\0\0' .. argv[details_at + i]
    lines = lines + 1
    logged[lines] = job .. 'A+' .. recipient .. now_end
    i, run, at, end_at = i + 1, run + 1, at + 2, end_at + 2
  end
  end_stretch(lane, run)
  return i
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
