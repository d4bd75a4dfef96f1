-- enqueue_restore: queue again, under their old keys, rows that a lost tail held.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_known part_name part_number
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   lane          its old number
-- ARGV[9]   source        the lane: its source,
-- ARGV[10]  sender        its sender,
-- ARGV[11]  template      its template, empty for free-form,
-- ARGV[12]  priority      its priority, 0 to 3,
-- ARGV[13]  zone          and its time zone, or empty
-- ARGV[14]  first         sequence of the first row
-- ARGV[15]  count         rows that follow
-- ARGV[16]  keyed         1 when dedupe values come with a fingerprint
-- ARGV[17]  rows          `count` rows as enqueue takes them, then as many dedupe values
--
-- Returns  rows queued again; 0 when another lane has taken the number
local number, source, zone, first = tonumber(argv[8]), argv[9], argv[13], tonumber(argv[14])
local rows, keyed = tonumber(argv[15]), argv[16] == '1'
local name = name_of({ source = source, sender = argv[10], template = argv[11],
  priority = argv[12], zone = zone })
call('HSETNX', tag .. 'src:' .. source, 'state', 'running')
call('HSETNX', tag .. 'src:' .. source, 'weight', 1)
if call('EXISTS', tag .. 'lane:' .. number) == 0 then
  if call('HEXISTS', tag .. 'lanes', name) == 1 then return 0 end
  call('HSET', tag .. 'meta', 'lanes', max(meta.lanes, number))
  add_lane(number, name, source, argv[10], argv[11], argv[12], zone)
end
local lane, restored = lane_of(number), 0
if lane.source ~= source or lane.sender ~= argv[10] or lane.template ~= argv[11]
  or lane.zone ~= zone then return 0 end
local last = tonumber(call('HGET', lane.key, 'last'))
for i = 1, rows do
  local sequence, packed = first + i - 1, argv[16 + i]
  if sequence > last then
    local not_before_ms, dedupe = number6(packed, 1), argv[16 + rows + i]
    local row = bytes5(sequence) .. sub(packed, 7, 27)
      .. bytes6(max(not_before_ms, now)) .. sub(packed, 28)
    if not_before_ms > now then
      delay(lane, row, not_before_ms, 'schedule')
    else
      call('RPUSH', lane.queue, row)
      note_expiry(lane, row_expires(lane, row))
    end
    if dedupe ~= '' and keyed then
      local record = sub(dedupe, 9, 16) .. number .. '.' .. text(sequence)
      keep_keys(source, keys_of_today(source), { sub(dedupe, 1, 8), record })
    elseif dedupe ~= '' then
      call('SADD', tag .. 'seen:' .. source, dedupe)
    end
    last, restored = sequence, restored + 1
  end
end
call('HSET', lane.key, 'last', last, 'at', now_text)
call('HINCRBY', tag .. 'src:' .. source, 'enqueued', restored)
call('HINCRBY', tag .. 'meta', 'enqueued', restored)
flush_ends(keep_ms)
flush_counts()
wake(lane)
touch(true)
return restored
