-- part_terms: what a deployment's settings say, told with every call as one text.
--
-- ARGV[2]  terms  tolerance_ms|span_ms|guard_ms|lease_ms|keep_ms|attempts_max|doubt_ms of
--                 authentication|of service|of utility|of marketing|gates that are off, with commas
--
-- tolerance_ms  how far the caller's clock and this server's may differ; 0 does not look
-- span_ms       how long a recipient counts
-- guard_ms      how much longer than now a service window must stay open
-- lease_ms      how long a claim holds
-- keep_ms       how long ended jobs are kept
-- attempts_max  definite failures before a job is dropped
-- doubt_ms      how long a doubt of a category waits for evidence
--
-- Few texts ever come, and to read a number is costly: what was read of one is kept by that text.
local span_ms, guard_ms, lease_ms, keep_ms, attempts_max, doubts, off
local known_terms = {}

local function read_terms(packed)
  local n, gates = {}, {}
  for number in string.gmatch(packed, '(%d+)|') do n[#n + 1] = tonumber(number) end
  for gate in string.gmatch(string.match(packed, '[^|]*$'), '%a+') do gates[gate] = true end
  local terms = { tolerance = n[1], span = n[2], guard = n[3], lease = n[4], keep = n[5],
    attempts = n[6], off = gates,
    doubts = { authentication = n[7], service = n[8], utility = n[9], marketing = n[10] } }
  known_terms[packed] = terms
  return terms
end

-- take_terms: they hold in this call; returns tolerance_ms.
local function take_terms(packed)
  local terms = known_terms[packed] or read_terms(packed)
  span_ms, guard_ms, lease_ms, keep_ms = terms.span, terms.guard, terms.lease, terms.keep
  attempts_max, doubts, off = terms.attempts, terms.doubts, terms.off
  return terms.tolerance
end

local function doubt_ms(category) return doubts[category] end
