-- suppression_put: refuse, or allow again, sends of a category to a person, or to many.
--
-- uses: part_terms part_slot part_meta part_bytes
--
-- KEYS[1]  tag      begin of every key of the portfolio
-- ARGV[1]  now_ms   epoch ms
-- ARGV[2]  terms    see part_terms
-- ARGV[3]  member   recipient:category, or recipient: for all
-- ARGV[4]  refused  1 refuses, 0 allows again; further members and what holds of them follow
--
-- Returns  sequence
now_has('suppressed')
for i = 3, #argv, 2 do
  call(argv[i + 1] == '1' and 'SADD' or 'SREM', tag .. 'suppressed', argv[i])
end
touch(true)
return meta.sequence
