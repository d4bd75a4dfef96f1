-- audit_read: recount everything from the raw keys; say what does not agree with the books.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_recount
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  most    ended jobs it may read: half a million take a second
--
-- Returns  { kept, lines }: ended jobs that are kept, and what is wrong, best nothing; no line
-- tells anything where there are more than `most`: then audit_books and audit_ends do it in steps.
--
-- Ends are kept for keep_ms, a bucket at a time. Where a source's jobs are not all here and one of
-- its buckets is gone, or any lane is, fewer ends than the books have is what one must expect.
local kept, here, numbers = 0, {}, call('ZRANGE', tag .. 'numbers', 0, -1)
for _, number in ipairs(numbers) do
  local last = tonumber(call('HGET', tag .. 'lane:' .. number, 'last'))
  for bucket = 0, floor(last / 4096) do
    kept = kept + call('HLEN', tag .. 'done:' .. number .. ':' .. bucket)
  end
end
if kept > tonumber(argv[3]) then return { kept, {} } end
for _, number in ipairs(numbers) do
  local lane = lane_of(tonumber(number))
  for bucket = 0, floor(tonumber(call('HGET', lane.key, 'last')) / 4096) do
    recount_ends(lane, bucket)
  end
end
recount_live(numbers)
for source, fields in pairs(seen) do
  for field, n in pairs(fields) do
    if sub(field, 1, 2) ~= 'd:' then here[source] = (here[source] or 0) + n end
  end
end
for source, waiting in pairs(queued) do
  local books, total = books_of(source), waiting
  local is_less = total + (here[source] or 0) < books.enqueued
  local forgets = is_less and (has_gap[source] or #numbers < meta.lanes)
  for field, value in pairs(books) do
    local kind = sub(field, 1, 2)
    if kind == 's:' or kind == 'w:' then total = total + value end
    local recount = seen[source] and seen[source][field] or 0
    local is_counted = kind == 's:' or kind == 'w:' or kind == 'd:'
    local is_forgotten = forgets and recount < value
    if is_counted and field ~= 's:cancelled' and recount ~= value and not is_forgotten then
      wrong[#wrong + 1] = source .. ': ' .. field .. ' ' .. value .. ', recount ' .. recount
    end
  end
  if total ~= books.enqueued then
    wrong[#wrong + 1] = source .. ': enqueued ' .. books.enqueued .. ', states add up to ' .. total
  end
end
return { kept, wrong }
