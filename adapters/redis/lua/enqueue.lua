-- enqueue: queue jobs of one lane; what its source knows already is named, not queued again.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_due part_known part_once
-- uses: part_name part_number part_refusal part_room part_alike
--
-- KEYS[1]   tag        begin of every key of the portfolio
-- ARGV[1]   now_ms     epoch ms
-- ARGV[2]   terms      see part_terms
-- ARGV[3]   queue_max  jobs that may wait in the portfolio; 0 is no bound
-- ARGV[4]   source     the lane: its source,
-- ARGV[5]   sender     its sender,
-- ARGV[6]   template   its template, empty for free-form,
-- ARGV[7]   priority   its priority, 0 to 3,
-- ARGV[8]   zone       and its time zone, empty where rows are not sorted by zone
-- ARGV[9]   count      rows that follow
-- ARGV[10]  form       1: dedupe values come with a fingerprint of the body; 2: rows of one kind,
--                      due now, of one expiry and known by recipient, come in four texts: see
--                      part_alike; 3: as 1, and known by recipient too
-- ARGV[11]  rows_max   jobs that its source takes at all; 0 is no bound
-- ARGV[12]  tally      counts under this name what is queued; empty: nothing does
-- ARGV[13]  rows       `count` rows without sequence and due; not_before 6 stands first
-- ARGV[14]  dedupes    `count` dedupe values of 8 bytes and, when keyed, fingerprints of 8
--
-- ARGV[13] begins a run of `count` values, ARGV[14] stands for the run after it (empty: none); of
-- form 2 they are the first two of the four texts.
--
-- Returns  { refused, lane, first, accepted, sequence, due_ms, not_new }
--   refused  '' or full, cancelled, ended (its template is disabled or deleted), stale (rows of a
--            message, a template or a sender that its source no longer has)
--   not_new  index from 0, job or '', 0 known, 1 with another body, 2 new, without room, ...
--
-- seen:S    SET   dedupe values of a source whose rows carry no fingerprint
-- keys:S:D  HASH  dedupe -> fingerprint and job, of day D; kept for the day after it, too (a
--                 campaign keeps them for good, as day 0)
-- tally:N   jobs queued under the name N, for a day
local queue_max, rows, once = tonumber(argv[3]), tonumber(argv[9]), argv[10] == '3'
local keyed, alike = once or argv[10] == '1', argv[10] == '2'
local source_name, sender, template, priority = argv[4], argv[5], argv[6], argv[7]
local rows_from, dedupes_from = 13, 13 + rows
local source_key = tag .. 'src:' .. source_name
call('HSETNX', source_key, 'state', 'running')
call('HSETNX', source_key, 'weight', 1)
local why = refused(source_name, template, rows, queue_max)
  or are_stale(source_name, argv[alike and 14 or 13], alike and 6 or 20) and 'stale'
if why then return { why, 0, 0, 0, meta.sequence, next_due(), {} } end
local lane = lane_of(lane_number(source_name, sender, template, priority, argv[8]))
local last = tonumber(call('HGET', lane.key, 'last'))
local first, fresh, seen, keys, keys_today = last + 1, {}, {}, {}, nil
local room = room_of(source_key, tonumber(argv[11]))
local expires_ms = 0 -- when the first of the queued rows does; of alike ones all do together

local function note_first(row)
  local its_ms = row_expires(lane, row)
  if its_ms > 0 then expires_ms = expires_ms > 0 and min(expires_ms, its_ms) or its_ms end
end

local function take_each()
  local known, new_here = {}, {}
  local people = once and people_of(source_name, argv, rows_from, rows) or {}
  if argv[dedupes_from] then
    known, keys_today = look_up(source_name, argv, dedupes_from, rows, keyed)
  end
  for i = 1, rows do
    local dedupe = argv[dedupes_from + i - 1]
    local own = key_of(dedupe, people)
    local record = own ~= '' and (known[i] or new_here[own]) or is_there(people, i) and ''
    if record then
      note_known(i - 1, record, sub(dedupe, 9, 16))
    elseif last - first + 1 >= room then
      note_over(i - 1)
    else
      last = last + 1
      local packed = argv[rows_from + i - 1]
      local not_before_ms = number6(packed, 1)
      local row = bytes5(last) .. sub(packed, 7, 27)
        .. bytes6(max(not_before_ms, now)) .. sub(packed, 28)
      if not_before_ms > now then
        delay(lane, row, not_before_ms, 'schedule')
      else
        fresh[#fresh + 1] = row
        note_first(row)
      end
      if own ~= '' then
        new_here[own] = keyed and sub(dedupe, 9, 16) .. lane.number .. '.' .. text(last) or ''
        keys[#keys + 1], keys[#keys + 2] = own, new_here[own]
      end
      enter(people, i, not keyed and own or '', seen)
    end
  end
end

if alike then
  local count
  fresh, count = take_alike(source_name, argv, 13, rows, last, room)
  last = last + count
  if fresh[1] then note_first(fresh[1]) end
else
  take_each()
end
if #fresh > 0 then call('RPUSH', lane.queue, unpack(fresh)) end
note_expiry(lane, expires_ms)
if #seen > 0 then call('SADD', tag .. 'seen:' .. source_name, unpack(seen)) end
if #keys > 0 and keyed then keep_keys(source_name, keys_today, keys) end
local accepted = last - first + 1
call('HSET', lane.key, 'last', last, 'at', now_text)
call('HINCRBY', source_key, 'enqueued', accepted)
call('HINCRBY', tag .. 'meta', 'enqueued', accepted)
keep_tally(argv[12], accepted)
flush_counts()
wake(lane)
touch(true)
local due_ms = min(next_due(), max(now, first_of('expiring'))) -- a lane asleep is due to nobody
local chunk = lane.number .. '|' .. first .. '|' .. accepted
call('XADD', tag .. 'log', now_text .. '-*', 'enqueued', chunk)
return { '', lane.number, first, accepted, meta.sequence, due_ms, not_new }
