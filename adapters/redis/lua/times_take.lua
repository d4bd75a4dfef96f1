-- times_take: messages that came in to numbers take send times: Meta counts both directions.
--
-- uses: part_terms part_slot part_meta part_bytes part_pace
--
-- KEYS[1]  tag      begin of every key of the portfolio
-- ARGV[1]  now_ms   epoch ms
-- ARGV[2]  terms    see part_terms
-- ARGV[3]  senders  phone number id, and how many messages came in to it, ...
--
-- Returns  sequence
--
-- At most a second's worth of each number. Mirror of engine/pace.py, SendSlots.give_way.
for i = 3, #argv, 2 do
  local key = tag .. 's:' .. argv[i]
  local h = call('HMGET', key, 'nominal', 'learned', 'next_us')
  if h[1] then
    local rate = rate_of(h[1], h[2])
    take_times(key, h[3], rate, min(tonumber(argv[i + 1]), rate))
  end
end
touch(true)
return meta.sequence
