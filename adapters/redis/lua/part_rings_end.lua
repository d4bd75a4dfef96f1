-- part_rings_end: lanes leave the rings a claim holds, and the rings are written.
--
-- Needs  part_rings.
local function ring_leave(key, lane)
  local ring = rings[key]
  if not ring then return leave(key, lane) end
  local i = index_in(ring, lane.number)
  if not i then return leave(key, lane) end
  local passed = ring.list[i].passed
  table.remove(ring.list, i)
  ring.changed, ring.left = ring.changed or {}, ring.left or {}
  ring.changed[lane.number], ring.left[lane.number] = nil, true
  return passed
end

local function flush_ring(ring)
  local adds, removes = {}, {}
  for number, passed in pairs(ring.changed) do
    adds[#adds + 1] = text(passed)
    adds[#adds + 1] = padded(number)
  end
  for number in pairs(ring.left) do removes[#removes + 1] = padded(number) end
  if #adds > 0 then call('ZADD', ring.key, unpack(adds)) end
  if #removes > 0 then call('ZREM', ring.key, unpack(removes)) end
end

local function flush_rings()
  for _, ring in pairs(rings) do
    if ring.changed then flush_ring(ring) end
  end
  rings = {}
end
