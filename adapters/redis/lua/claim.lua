-- claim: take jobs that may be written now, in fair order through all gates, under a lease.
--
-- uses: part_slot part_bytes part_terms part_window part_proofs part_lanes part_standing part_rest
-- uses: part_books part_rows part_due part_rings part_rings_end part_claim part_bites
-- uses: gate_schedule gate_suppression gate_window gate_pair gate_quota part_serve part_grant
-- uses: part_order part_fresh part_flush part_finish part_return
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
--   jobs      lane, row, send_at_us, counts 0|1, ...
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
  give_again()
  return answer('', next_due())
end
open_scheduled()
promote()
local due, looked_at = {}, min(64, max(8, most))
for i, name in ipairs(call('ZRANGEBYSCORE', tag .. 'due', '-inf', now, 'LIMIT', 0, looked_at)) do
  local sender = load_sender(name)
  if sender.has_sleepers and not sender.closed then
    call('HSET', sender.key, 'sleepers', '0')
    open_gate('sender', name)
    sender = reload_sender(name)
  end
  sender.is_due = true
  due[i] = sender
end
local scopes = waiting_now()
for _, sender in ipairs(due) do serve_share(sender) end
for priority = 0, 3 do
  for _, scope in ipairs(scopes) do serve_waiting(scope, priority) end
  for _, sender in ipairs(due) do serve_fresh(sender, priority, most) end
end
flush_claim()
flush_counts()
flush_ends(argv[6])
touch(given > 0, 'worker:' .. worker, counter)
return answer('', next_due())
