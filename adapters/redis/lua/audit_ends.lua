-- audit_ends: a recount of the ended jobs that one bucket of a lane keeps.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_recount
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  lane    its number
-- ARGV[4]  bucket  from 0
--
-- Returns  { source, gone, field, number, ... }: gone is 1 where the bucket has none (any more);
--          nothing where the lane is forgotten
local lane = lane_of(tonumber(argv[3]))
if not lane.source then return {} end
recount_ends(lane, tonumber(argv[4]))
local found = { lane.source, has_gap[lane.source] and 1 or 0 }
for field, number in pairs(seen[lane.source] or {}) do
  found[#found + 1], found[#found + 2] = field, number
end
return found
