-- suppression_put: refuse, or allow again, sends of a category to a person, or to many.
--
-- uses: part_slot part_meta part_bytes part_terms
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   member        recipient:category, or recipient: for all
-- ARGV[9]   refused       1 refuses, 0 allows again; further members and what holds of them follow
--
-- Returns  sequence
now_has('suppressed')
for i = 8, #argv, 2 do
  call(argv[i + 1] == '1' and 'SADD' or 'SREM', tag .. 'suppressed', argv[i])
end
touch(true)
return meta.sequence
