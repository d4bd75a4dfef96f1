-- audit_books: the books of all sources, and a recount of their jobs that have not ended.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_recount
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
--
-- Returns  { complete, sources, lanes, lines }
--   complete  0 where lanes have been forgotten, with their ends
--   sources   its name, jobs in its lanes, its books, the recount of jobs kept aside, in flight and
--             in doubt, ...; books and recount are field, number, ...
--   lanes     its number and how many buckets of ends it may have, ...
--   lines     what is wrong, best nothing
--
-- It reads each job that is kept aside, in flight or in doubt, and each lane; no job else.
local function flat(of)
  local found = {}
  for field, number in pairs(of) do
    found[#found + 1], found[#found + 2] = field, number
  end
  return found
end

local numbers, sources, lanes = call('ZRANGE', tag .. 'numbers', 0, -1), {}, {}
recount_live(numbers)
for source, waiting in pairs(queued) do
  local n = #sources
  sources[n + 1], sources[n + 2] = source, waiting
  sources[n + 3], sources[n + 4] = flat(books_of(source)), flat(seen[source] or {})
end
for _, number in ipairs(numbers) do
  local last = tonumber(call('HGET', tag .. 'lane:' .. number, 'last'))
  lanes[#lanes + 1], lanes[#lanes + 2] = tonumber(number), floor(last / 4096) + 1
end
return { #numbers < meta.lanes and 0 or 1, sources, lanes, wrong }
