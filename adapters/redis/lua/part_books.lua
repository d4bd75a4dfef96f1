-- part_books: counts of each source, gathered over a call and written once; ends of jobs.
--
-- Needs  part_slot, part_lanes.
-- src:S         HASH  enqueued; s:STATE jobs in a state; w:GATE jobs kept aside; d:STATUS delivery
-- done:N:B      HASH  sequence -> end of a job; bucket B holds 4,096 sequences of lane N
--
-- An end is packed: state 1, delivery 1, fence 2, mark 6, recipient 8, code 4, then the wamid.
local counted = {}

local function count(source, field, by)
  local fields = counted[source]
  if not fields then
    fields = {}
    counted[source] = fields
  end
  fields[field] = (fields[field] or 0) + by
end

local function flush_counts()
  for source, fields in pairs(counted) do
    for field, by in pairs(fields) do
      if by ~= 0 then call('HINCRBY', source_of(source).key, field, by) end
    end
  end
  counted = {}
end

local function done_key(number, sequence)
  return tag .. 'done:' .. number .. ':' .. floor(sequence / 4096)
end

local function pack_end(state, delivery, fence, mark, recipient, code, wamid)
  local high = floor(code / 65536)
  return state .. delivery .. bytes2(fence) .. bytes6(mark) .. recipient ..
    bytes2(high) .. bytes2(code - high * 65536) .. wamid
end

local ends, ended = {}, 0

local function write_end(lane, sequence, packed, state)
  local key = done_key(lane.number, sequence)
  local fields = ends[key]
  if not fields then
    fields = {}
    ends[key] = fields
  end
  fields[#fields + 1] = sequence
  fields[#fields + 1] = packed
  count(lane.source, 's:' .. state, 1)
  ended = ended + 1
end

-- flush_ends: write the ends of a call; what is kept expires as a whole bucket (housekeeping).
local function flush_ends(keep_ms)
  for key, fields in pairs(ends) do
    call('HSET', key, unpack(fields))
    call('PEXPIRE', key, keep_ms)
  end
  if ended > 0 then call('HINCRBY', tag .. 'meta', 'ended', ended) end
  ends, ended = {}, 0
end
