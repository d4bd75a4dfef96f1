-- part_terms: the lengths that scripts which move jobs are told, and the gates that are off.
--
-- Needs     part_slot.
-- ARGV[3]   span_ms    how long a recipient counts
-- ARGV[4]   guard_ms   how much longer than now a service window must stay open
-- ARGV[5]   lease_ms   how long a claim holds
-- ARGV[6]   keep_ms    how long ended jobs are kept
-- ARGV[7]   gates_off  names of gates switched off, comma separated; empty in production
local span_ms, guard_ms, lease_ms, keep_ms, off
local NONE_OFF = {}

local function begin_terms()
  span_ms, guard_ms, lease_ms = constant(argv[3]), constant(argv[4]), constant(argv[5])
  keep_ms, off = argv[6], NONE_OFF
  if argv[7] == '' then return end
  off = {}
  for gate in string.gmatch(argv[7], '%a+') do off[gate] = true end
end
