-- part_plain: a wish of which all is plain is fulfilled in one go; of any other nothing is written
-- and nothing kept, and the claim goes on as if it had not been looked at.
--
-- Needs  part_plain_told, part_plain_rows, part_finish.
--
-- Plain is a wish when its outcomes are acceptances of jobs in flight, one priority has jobs to
-- give, each number whose turn it is has one lane, and its rows may go without a look: nearly every
-- wish of a campaign. A claim's time is spent here.
local PLAIN_MAX = 200

-- plain_priority: the only one that has jobs; nil where more than counts and rows is to be seen to.
local function plain_priority(counter)
  local has = meta.has
  if clock_differs or now < meta.recovering or counter <= meta.worker
    or argv[7] + 0 > meta.sequence or now - meta.pruned >= PRUNE_EVERY_MS then return nil end
  if has.waiting or has.strikes or has.borders or meta.policy.by_number or next(off)
    or first_of('openings') <= now or first_of('later') <= now then return nil end
  return busy_alone()
end

-- is_noted: whether one of a run's rows wants a look of its own.
local function is_noted(people)
  if meta.has.proofs then
    local several = call('HMGET', tag .. 'proofs:', unpack(people))
    for i = 1, #people do if several[i] then return true end end
  end
  if not (meta.has.suppressed or meta.has.service or meta.has.pairs) then return false end
  local noted = {}
  for i = 1, #runs do
    local run = runs[i]
    note_people(run.lane, { unpack(people, run.at + 1, run.at + run.room) }, noted)
  end
  return next(noted) ~= nil
end

-- are_as_held: whether the window says of people told of what their jobs say.
local function are_as_held(people, held, scores, seen)
  for i = 1, told do
    local recipient = people[i]
    if scores[i] ~= held[i] or seen[recipient] then return false end
    seen[recipient] = true
  end
  return true
end

-- give_run: put the rows of a run under a lease, their people into `adds`; false where one is not
-- plain.
local function give_run(run, people, scores, seen, adds)
  local lane, rows, sub, cut, in_flight, lease_text = run.lane, run.rows, sub, cut, in_flight,
    lease_text
  local names, opens, jobs, j, at = names, opens, jobs, #jobs, run.at
  local n, o, a = at - told, 2 * (at - told), 2 * at
  jobs[j + 1], jobs[j + 2], jobs[j + 3] = lane.number, run.from_us, run.interval_us
  jobs[j + 4], j = run.room, j + 4
  for i = 1, run.room do
    local row, recipient, score = rows[i], people[at + i], scores[at + i]
    local middle = sub(row, 14, 26)
    if seen[recipient] or score and score + 0 > cut
      or middle ~= run.middle and not is_alike(run, middle) then return false end
    seen[recipient] = true
    local job = job_name(lane, row)
    local record = in_flight .. sub(row, 1, 13) .. run.rest .. sub(row, 27)
    names[n + i], jobs[j + i] = run.fence and job .. run.fence or job, record
    opens[o + 1], opens[o + 2] = job, record
    adds[a + 1], adds[a + 2] = lease_text, recipient
    o, a = o + 2, a + 2
  end
  return true
end

-- write_runs: take the rows away from their lanes, and the send times from their numbers.
local function write_runs(priority)
  local is_due = false
  for i = 1, #runs do
    local run = runs[i]
    local sender, due_ms = run.sender, math.ceil(run.next_us / 1000) - (priority > 1 and 10 or 250)
    call('LTRIM', run.lane.queue, digits(run.room), '-1')
    call('HSET', sender.key, 'next_us', run.next_us)
    count(run.lane.source, 's:in_flight', run.room)
    if run.is_short then refuse(sender.name, 'rate') end
    if due_ms > now then
      call('ZADD', tag .. 'due', text(due_ms), sender.name)
    else
      is_due = true -- who is due already keeps its turn, and nobody's comes before now
    end
  end
  if is_due then firsts.due = 0 end
end

-- fulfil_plainly: fulfil a plain wish; false where it is none.
local function fulfil_plainly(worker, counter)
  local priority = plain_priority(counter)
  if not priority then return false end
  local most = argv[5] + 0
  local wanted = priority > 1 and min(argv[6] + 0, most) or most
  if wanted < 1 or most > PLAIN_MAX then return false end
  local people, held = array(wanted + (argv[8] or 0)), array(argv[8] or 0)
  if not look_at_told(people, held)
    or not look_at_rows(people, priority, wanted, min(64, max(8, most)))
    or is_noted(people) then return false end
  local scores, seen, adds = call('ZMSCORE', tag .. 'win:', unpack(people)), {}, array(2 * #people)
  if not are_as_held(people, held, scores, seen) then return false end
  given = #people - told
  names, opens, jobs = array(given), array(2 * given), array(given + 4 * #runs)
  for i = 1, #runs do
    if not give_run(runs[i], people, scores, seen, adds) then return false end
  end
  if told > 0 then
    write_told(people, adds)
    meta.sequence = meta.sequence + 1
  end
  write_runs(priority)
  write_given()
  call('ZADD', tag .. 'win:', unpack(adds))
  if meta.has.pairs then flush_pairs() end
  flush_counts()
  flush_ends(keep_ms)
  touch(true, 'worker:' .. worker, argv[4])
  return true
end
