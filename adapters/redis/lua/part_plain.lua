-- part_plain: a wish of which all is plain is fulfilled in one go; of any other nothing is written
-- and nothing kept, and the claim goes on as if it had not been looked at.
--
-- uses: part_plain_told part_plain_rows part_plain_given
--
-- Needs  part_bites, part_due_senders, part_flush, part_books, gate_pair.
--
-- Plain is a wish when its outcomes are acceptances of jobs in flight, one priority has jobs to
-- give, each number whose turn it is has one lane, and its rows may go without a look: nearly every
-- wish of a campaign. A claim's time is spent here.
local PLAIN_MAX = 200

-- plain_priority: the only one that has jobs; nil where there is more to see to.
local function plain_priority(counter)
  local has = meta.has
  if clock_differs or now < meta.recovering or counter <= meta.worker
    or argv[7] + 0 > meta.sequence or now - meta.pruned >= PRUNE_EVERY_MS then return nil end
  if has.waiting or has.strikes or has.borders or meta.policy.by_number or next(off)
    or has.openings and first_of('openings') <= now
    or has.later and first_of('later') <= now then return nil end
  return busy_alone()
end

-- is_noted: whether one of a wish's people wants a look of his own.
local function is_noted(last)
  local has = meta.has
  if has.proofs then
    local several = call('HMGET', tag .. 'proofs:', unpack(whom, 1, last))
    for i = 1, last do if several[i] then return true end end
  end
  if not (has.suppressed or has.service or has.pairs) then return false end
  local noted = {}
  for i = 1, running do
    local run = runs[i]
    note_people(run.lane, { unpack(whom, run.at + 1, run.at + run.room) }, noted)
  end
  return next(noted) ~= nil
end

-- fulfil_plainly: fulfil a plain wish; returns its jobs and refusals as the answer has them, and
-- nothing where it is none.
local function fulfil_plainly(worker, counter)
  local priority = plain_priority(counter)
  if not priority then return nil end
  local most = argv[5] + 0
  local wanted = priority > 1 and min(argv[6] + 0, most) or most
  if wanted < 1 or most > PLAIN_MAX or not look_at_told() or told > PLAIN_MAX then return nil end
  local given = look_at_rows(priority, wanted, most)
  local last = told + given
  if given == 0 or is_noted(last) then return nil end
  local scores, seen = call('ZMSCORE', tag .. 'win:', unpack(whom, 1, last)), {}
  if not is_as_held(scores, seen) then return nil end
  lease_until = now + lease_ms
  local in_flight, lease_text = 'F' .. bytes6(lease_until), text(lease_until)
  local jobs, claim = array(given + 4 * running), worker .. ':' .. argv[4]
  for i = 1, running do
    if not give_run(runs[i], scores, seen, jobs, in_flight, lease_text) then return nil end
  end
  if told > 0 then write_told() end
  local refused = write_runs(priority)
  call('HSET', tag .. 'open', unpack(opens_given, 1, 2 * given))
  call('HSET', tag .. 'claims', claim, table.concat(names_given, ',', 1, given))
  call('ZADD', tag .. 'leases', lease_text, claim)
  call('ZADD', tag .. 'win:', unpack(scored, 1, 2 * last))
  if meta.has.pairs then flush_pairs() end
  flush_counts()
  touch(true, 'worker:' .. worker, argv[4])
  return jobs, refused
end
