-- claim: take jobs that may be written now, in fair order through all gates, under a lease.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_sources
-- uses: part_standing part_rest part_books part_rows part_due part_rings part_rings_end
-- uses: part_claim gate_schedule gate_suppression gate_border gate_window gate_pair gate_quota
-- uses: part_bites
-- uses: part_serve part_grant part_order part_run part_fresh part_turns part_flush part_finish
-- uses: part_call part_settle part_again part_return
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      how much longer than now a service window must stay open
-- ARGV[5]   lease_ms      how long the claim holds
-- ARGV[6]   keep_ms       how long ended jobs are kept
-- ARGV[7]   gates_off     names of gates switched off, comma separated; empty in production
-- ARGV[8]   worker        who asks, one process incarnation
-- ARGV[9]   counter       grows with each of its wishes; the same again asks again
-- ARGV[10]  most          how many jobs it can write now
-- ARGV[11]  low           how many of them may be utility or marketing
-- ARGV[12]  known         the highest sequence it saw
--
-- Returns  { refused, come_back_ms, rescue_ms, sequence, lease_until_ms, refusals, jobs }
--   refused   '' or clock, recovering, stale
--   refusals  sender|gate, how often, ...
--   jobs      lane, record in `open`, send_at_us, ...
--
-- claims   HASH  worker:counter -> job,fence,job,fence,...; until its lease is over
-- leases   ZSET  worker:counter -> when its lease runs out
local worker, counter = argv[8], tonumber(argv[9])
local known_sequence = tonumber(argv[12])

local function refused()
  if clock_differs then return 'clock' end
  if known_sequence > meta.sequence then
    meta.sequence = known_sequence
    meta.recovering = now + 10000
    call('HSET', tag .. 'meta', 'sequence', known_sequence, 'recovering', meta.recovering)
  end
  if now < meta.recovering then return 'recovering' end
end

local function answer(why, come_back_ms)
  local flat = {}
  for name, times in pairs(refusals) do
    flat[#flat + 1] = name
    flat[#flat + 1] = times
  end
  local rescue_ms = min(first_of('leases'), first_of('doubts'))
  return { why, come_back_ms, rescue_ms, meta.sequence, lease_until, flat, jobs }
end

local why = refused()
if why then return answer(why, now + 1000) end
local last = meta.worker
if counter < last then return answer('stale', now + 1000) end
if counter == last then
  local went_back = give_again()
  flush_closed()
  flush_counts()
  flush_ends(argv[6])
  flush_windows()
  if went_back > 0 then
    call_waiters()
    touch(true)
  end
  return answer('', next_due())
end
open_scheduled()
promote()
serve(call('ZRANGEBYSCORE', tag .. 'due', '-inf', now_text, 'LIMIT', '0', min(64, max(8, most))))
flush_claim()
flush_counts()
flush_ends(argv[6])
touch(given > 0, 'worker:' .. worker, argv[9])
return answer('', next_due())
