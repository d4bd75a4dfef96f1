-- part_terms: the lengths that scripts which move jobs are told, and the gates that are off.
--
-- Needs     part_slot.
-- ARGV[3]   span_ms    how long a recipient counts
-- ARGV[4]   guard_ms   how much longer than now a service window must stay open
-- ARGV[5]   lease_ms   how long a claim holds
-- ARGV[6]   keep_ms    how long ended jobs are kept
-- ARGV[7]   gates_off  names of gates switched off, comma separated; empty in production
local span_ms, guard_ms, lease_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local keep_ms, off = ARGV[6], {}
for gate in string.gmatch(ARGV[7], '%a+') do off[gate] = true end
