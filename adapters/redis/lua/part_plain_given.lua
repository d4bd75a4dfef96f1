-- part_plain_given: the rows of plain runs are put under a lease, and leave their lanes.
--
-- Needs  part_plain_rows, part_run (is_alike), part_rows. What it does to each row is what serve
-- would do.
local names_given, opens_given = {}, {}

-- give_run: put the rows of a run under a lease and into `jobs`; false where one is not plain.
local function give_run(run, scores, seen, jobs, in_flight, lease_text)
  local lane, rows, at, sub, byte, cut = run.lane, run.rows, run.at, sub, byte, cut
  local names, opens, scored, whom, j = names_given, opens_given, scored, whom, #jobs
  jobs[j + 1], jobs[j + 2], jobs[j + 3] = lane.number, run.from_us, run.interval_us
  jobs[j + 4] = run.room
  local middle, rest, fence, o = nil, nil, nil, at - told
  for i = 1, run.room do
    local row, p = rows[i], at + i
    local recipient, score = whom[p], scores[p]
    local its_middle = sub(row, 14, 26)
    if seen[recipient] or score and score + 0 > cut then return false end
    if its_middle ~= middle then
      if not is_alike(run, its_middle) then return false end
      middle, rest, fence = its_middle, run.rest, run.fence
    end
    seen[recipient] = true
    local job = job_name(lane, row)
    local record = in_flight .. sub(row, 1, 13) .. rest .. sub(row, 27)
    names[o + i], jobs[j + 4 + i] = fence and job .. fence or job, record
    opens[2 * (o + i) - 1], opens[2 * (o + i)] = job, record
    scored[p + p - 1], scored[p + p] = lease_text, recipient
  end
  return true
end

-- write_runs: take the rows away from their lanes, and the send times from their numbers; returns
-- who has none left, as refusals are told.
local function write_runs(priority)
  local is_due, refused = false, NONE
  for i = 1, running do
    local run = runs[i]
    local sender, due_ms = run.sender, ready_at(run, priority)
    call('LTRIM', run.lane.queue, digits(run.room), '-1')
    call('HSET', sender.key, 'next_us', run.next_us)
    count(run.lane.source, 's:in_flight', run.room)
    if run.is_short then
      if refused == NONE then refused = {} end
      local at = #refused
      refused[at + 1], refused[at + 2] = sender.name .. '|rate', 1
    end
    if due_ms > now then
      call('ZADD', tag .. 'due', text(due_ms), sender.name)
    else
      is_due = true -- who is due already keeps its turn, and nobody's comes before now
    end
  end
  if is_due then firsts.due = 0 end
  return refused
end
