-- enqueue_restore: queue again, under their old keys, rows that a lost tail held.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_known part_name part_number
--
-- KEYS[1]   tag       begin of every key of the portfolio
-- ARGV[1]   now_ms    epoch ms
-- ARGV[2]   terms     see part_terms
-- ARGV[3]   lane      its old number
-- ARGV[4]   source    the lane: its source,
-- ARGV[5]   sender    its sender,
-- ARGV[6]   template  its template, empty for free-form,
-- ARGV[7]   priority  its priority, 0 to 3,
-- ARGV[8]   zone      and its time zone, or empty
-- ARGV[9]   first     sequence of the first row
-- ARGV[10]  count     rows that follow
-- ARGV[11]  form      1: dedupe values come with a fingerprint; 3: and rows are known by person
-- ARGV[12]  rows      `count` rows as enqueue takes them, then as many dedupe values
--
-- Returns  rows queued again; 0 when another lane has taken the number
local number, source, zone, first = tonumber(argv[3]), argv[4], argv[8], tonumber(argv[9])
local rows, once = tonumber(argv[10]), argv[11] == '3'
local name = name_of({ source = source, sender = argv[5], template = argv[6],
  priority = argv[7], zone = zone })
call('HSETNX', tag .. 'src:' .. source, 'state', 'running')
call('HSETNX', tag .. 'src:' .. source, 'weight', 1)
if call('EXISTS', tag .. 'lane:' .. number) == 0 then
  if call('HEXISTS', tag .. 'lanes', name) == 1 then return 0 end
  call('HSET', tag .. 'meta', 'lanes', max(meta.lanes, number))
  add_lane(number, name, source, argv[5], argv[6], argv[7], zone)
end
local lane, restored = lane_of(number), 0
if lane.source ~= source or lane.sender ~= argv[5] or lane.template ~= argv[6]
  or lane.zone ~= zone then return 0 end
local last = tonumber(call('HGET', lane.key, 'last'))
for i = 1, rows do
  local sequence, packed = first + i - 1, argv[11 + i]
  if sequence > last then
    local not_before_ms, dedupe = number6(packed, 1), argv[11 + rows + i]
    local row = bytes5(sequence) .. sub(packed, 7, 27)
      .. bytes6(max(not_before_ms, now)) .. sub(packed, 28)
    if not_before_ms > now then
      delay(lane, row, not_before_ms, 'schedule')
    else
      call('RPUSH', lane.queue, row)
      note_expiry(lane, row_expires(lane, row))
    end
    if once then call('SADD', tag .. 'seen:' .. source, sub(packed, 7, 14)) end
    if #dedupe == 16 then
      local record = sub(dedupe, 9, 16) .. number .. '.' .. text(sequence)
      keep_keys(source, keys_of_today(source), { sub(dedupe, 1, 8), record })
    elseif dedupe ~= '' and not once then
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
