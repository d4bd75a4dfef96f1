-- claim: take jobs that may be written now, in fair order through all gates, under a lease; how
-- earlier writes ended may be told along with it, and is recorded first. A wish of which all is
-- plain, as nearly every one of a campaign is, goes the short way of part_plain.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_due
-- later: part_rings part_rings_end
-- uses: part_market
-- later: part_claim
-- uses: part_senders
-- later: gate_schedule
-- uses: gate_suppression
-- later: gate_border
-- uses: gate_window gate_pair
-- later: gate_quota part_bites part_serve part_grant part_order part_run part_fresh
-- later: part_due_senders part_turns part_flush part_finish part_call part_settle part_again
-- later: part_shut part_return part_log part_repeats part_outcomes part_dead part_apply part_late
-- later: part_told part_accepted part_settlements
-- uses: part_plain
--
-- KEYS[1]  tag      begin of every key of the portfolio
-- ARGV[1]  now_ms   epoch ms
-- ARGV[2]  terms    see part_terms
-- ARGV[3]  worker   who asks, one process incarnation
-- ARGV[4]  counter  grows with each of its wishes; the same again asks again
-- ARGV[5]  most     how many jobs it can write now
-- ARGV[6]  low      how many of them may be utility or marketing
-- ARGV[7]  known    the highest sequence it saw
-- ARGV[8]  count    see part_settlements, and what follows
--
-- Returns  { refused, come_back_ms, rescue_ms, sequence, lease_until_ms, refusals, jobs,
--            ignored, closed, edition }
--   refused    '' or clock, recovering, stale
--   rescue_ms  when a rescue has work as far as this call knows: rescue alone knows all leases
--   refusals  sender|gate, how often, ...
--   jobs      runs: lane, send_at_us of the first, step_us to the next, how many, then of each
--             the record in `open`
--   ignored   jobs whose outcome changed nothing
--   closed    gate, key, ... that these outcomes closed, or closed when they were told before
--
-- claims   HASH  worker:counter -> job,job:fence,... (a fence of 1 is left out); until its lease
--                is over
-- leases   ZSET  worker:counter -> when its lease runs out
local worker, counter = argv[3], argv[4] + 0
local known_sequence, is_told = argv[7] + 0, argv[8] ~= nil

local function refused()
  if clock_differs then return 'clock' end
  if now < meta.recovering then return 'recovering' end
  if counter < meta.worker then return 'stale' end
end

local function answer(why, come_back_ms, refusals, jobs, ignored, news)
  local rescue_ms = FOREVER
  if meta.has.doubts then rescue_ms = first_of('doubts') end
  if meta.has.expiring then rescue_ms = min(rescue_ms, first_of('expiring')) end
  if jobs[1] then rescue_ms = min(rescue_ms, lease_until) end
  return { why, come_back_ms, rescue_ms, meta.sequence, lease_until, refusals, jobs, ignored, news,
    meta.edition }
end

local plain_jobs, plain_refusals = fulfil_plainly(worker, counter)
if plain_jobs then return answer('', next_due(), plain_refusals, plain_jobs, NONE, NONE) end
begin_later()

local function answer_the_long_way(why, come_back_ms)
  local flat = {}
  for name, times in pairs(refusals) do
    flat[#flat + 1] = name
    flat[#flat + 1] = times
  end
  return answer(why, come_back_ms, flat, jobs, ignored, news)
end

if known_sequence > meta.sequence then
  meta.sequence = known_sequence
  call('HSET', tag .. 'meta', 'recovering', now + 10000)
  touch(false)
  new_facts()
end
if is_told then
  settle_all(8)
  some_pairs = meta.has.pairs
  meta.sequence = meta.sequence + 1
end
local why = refused()
if why then
  if is_told then
    flush_settled()
    touch(false)
    flush_log()
  end
  return answer_the_long_way(why, now + 1000)
end
if counter == meta.worker then
  flush_settled() -- what has ended is not given again
  local went_back = give_again()
  flush_settled()
  if went_back > 0 then call_waiters() end
  if went_back > 0 or is_told then touch(went_back > 0) end
  flush_log()
  return answer_the_long_way('', next_due())
end
open_scheduled()
promote()
serve(min(64, max(8, most)))
flush_accepted()
flush_closed()
flush_claim()
flush_counts()
flush_ends(keep_ms)
touch(given > 0, 'worker:' .. worker, argv[4])
flush_log()
return answer_the_long_way('', next_due())
