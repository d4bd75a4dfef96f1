-- rescue: leases that ran out become doubts, doubts are settled by policy, waiting jobs expire.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_due part_log
-- uses: part_call part_settle part_repeats part_silence part_held part_expire part_expire_walk
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  bite    see part_expire
--
-- Returns  { sequence, due_ms, rescue_ms, doubted, repeated, unknown, expired }
--
-- Where nothing ran out nothing is written, not even the clock: of two who compare imprints each
-- would look for ever because of the other. A repeat leaves the first copy's proof in the window:
-- it may have been taken. Doubts that silence holds back are in none of the three.
local doubted, repeated, unknown = {}, {}, {}

local function decide(opened)
  local row, lane = opened.row, opened.lane
  local may_repeat = row_repeats(row) < (source_of(lane.source).repeats or byte(row, 18))
    and not is_over(opened)
  local from_ms = may_repeat and repeat_from(lane) or 0
  if from_ms > now and hold(opened, from_ms) then return end
  drop_open(opened)
  if may_repeat and from_ms <= now then
    put_back(lane, with_repeats(row, row_repeats(row) + 1))
    repeated[#repeated + 1] = opened.job
    note(opened.job, 'P', opened.hold > 0, opened.recipient)
  else
    end_open(opened, 'U', 's:unknown', 0, opened.hold, 0, '')
    unknown[#unknown + 1] = opened.job
    note(opened.job, 'U', opened.hold > 0, opened.recipient)
  end
end

local function rest(claim, ended_ms)
  local names, fences = {}, {}
  for job, fence in string.gmatch(call('HGET', tag .. 'claims', claim), CLAIMED_JOB) do
    names[#names + 1], fences[#fences + 1] = job, tonumber(fence) or 1
  end
  local records = call('HMGET', tag .. 'open', unpack(names)) -- most of them have ended
  for i, job in ipairs(names) do
    local opened = records[i] and parse_open(job, records[i])
    if opened and not opened.doubted and row_fence(opened.row) == fences[i] then
      doubt(opened, ended_ms)
      doubted[#doubted + 1] = job
      note(job, 'L', opened.hold > 0, opened.recipient, ended_ms)
    end
  end
  call('HDEL', tag .. 'claims', claim)
  call('ZREM', tag .. 'leases', claim)
end

local past = call('ZRANGEBYSCORE', tag .. 'doubts', '-inf', now, 'LIMIT', 0, 256)
for _, job in ipairs(past) do decide(parse_open(job, call('HGET', tag .. 'open', job))) end
flush_closed()
local over = call('ZRANGEBYSCORE', tag .. 'leases', '-inf', now, 'WITHSCORES', 'LIMIT', 0, 16)
for i = 1, #over, 2 do rest(over[i], tonumber(over[i + 1])) end
local has_work = #past > 0 or #over > 0 or first_of('expiring') <= now
expire_rows(tonumber(argv[3]))
flush_ends(keep_ms)
flush_counts()
flush_windows()
call_waiters()
flush_log()
if has_work then touch(#doubted + #repeated + #unknown + #expired > 0) end
return { meta.sequence, next_due(), next_rescue(), doubted, repeated, unknown, expired }
