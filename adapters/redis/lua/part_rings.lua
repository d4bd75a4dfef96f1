-- part_rings: rings of lanes as one claim holds them, read once and written once.
--
-- Needs  part_slot, part_lanes, part_rest. Only claim uses it: between load and flush the sorted
-- sets are behind what the claim knows.
--
-- A claim takes at most 256 steps, and a lane served only falls back, so the first 300 lanes are
-- all it can ever serve.
local RING_READ = 300
local rings

local function begin_rings() rings = {} end

local function load_ring(key)
  local ring = rings[key]
  if not ring then
    ring = { key = key, list = {} }
    local flat = call('ZRANGE', key, '0', RING_READ - 1, 'WITHSCORES')
    for i = 1, #flat, 2 do
      ring.list[#ring.list + 1] = { number = tonumber(flat[i]), passed = tonumber(flat[i + 1]) }
    end
    ring.whole = #ring.list < RING_READ
    rings[key] = ring
  end
  return ring
end

local function place(ring, entry, from)
  local list, i = ring.list, from
  while i > 1 and (list[i - 1].passed > entry.passed or
      (list[i - 1].passed == entry.passed and list[i - 1].number > entry.number)) do
    list[i] = list[i - 1]
    i = i - 1
  end
  while list[i + 1] and (list[i + 1].passed < entry.passed or
      (list[i + 1].passed == entry.passed and list[i + 1].number < entry.number)) do
    list[i] = list[i + 1]
    i = i + 1
  end
  list[i] = entry
  ring.changed, ring.left = ring.changed or {}, ring.left or {} -- what is to be written
  ring.changed[entry.number] = entry.passed
end

local function index_in(ring, number)
  for i, entry in ipairs(ring.list) do
    if entry.number == number then return i end
  end
end

local function ring_charge(ring, number, by)
  local i = index_in(ring, number)
  ring.list[i].passed = ring.list[i].passed + by
  place(ring, ring.list[i], i)
end

local function ring_enter(key, lane, passed)
  local ring = rings[key]
  if not ring then return enter(key, lane, passed) end
  if index_in(ring, lane.number) then return 0 end
  if not ring.whole and call('ZSCORE', key, lane.name) then return 0 end
  local first = ring.list[1]
  local entry = { number = lane.number, passed = max(passed, first and first.passed or 0) }
  place(ring, entry, #ring.list + 1)
  ring.left[lane.number] = nil
  return 1
end

-- ring_of: the ring of a sender's lanes of one priority.
local function ring_of(sender, priority)
  local ring = sender.rings[priority]
  if not ring then
    ring = load_ring(tag .. 'ring:' .. sender.name .. ':' .. digits(priority))
    sender.rings[priority] = ring
  end
  return ring
end

-- has_lanes: whether a sender has lanes to serve in a priority; a ring nobody is in is not read.
local function has_lanes(sender, priority)
  local ring = sender.rings[priority]
  if ring then return #ring.list > 0 end
  local lanes_there = sender.lanes[priority]
  return lanes_there and lanes_there ~= '0'
end
