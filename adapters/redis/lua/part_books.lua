-- part_books: counts of each source, gathered over a call and written once; ends of jobs.
--
-- Needs  part_slot, part_lanes.
-- src:S         HASH  enqueued; s:STATE jobs in a state; w:GATE jobs kept aside; d:STATUS delivery
-- done:N:B      HASH  sequence -> end of a job; bucket B holds 4,096 sequences of lane N
--
-- An end is packed: state 1, delivery 1, fence 2, mark 6, recipient 8, code 4, then the wamid,
-- or `!` and what of a failed job's message no longer fitted its template.
local RENEW_EVERY_MS = 60000
local counted, ends, ended

local function count(source, field, by)
  local fields = counted[source] or {}
  counted[source] = fields
  fields[field] = (fields[field] or 0) + by
end

local function flush_counts()
  if not next(counted) then return end
  for source, fields in pairs(counted) do
    for field, by in pairs(fields) do
      if by ~= 0 then call('HINCRBY', tag .. 'src:' .. source, field, digits(by)) end
    end
  end
  counted = {}
end

local function done_key(number, sequence)
  return tag .. 'done:' .. digits(number) .. ':' .. digits(floor(sequence / 4096))
end

local last_mark, last_mark_bytes -- a batch settles at one moment

local function pack_end(state, delivery, fence_bytes, mark, recipient, code, wamid)
  if mark ~= last_mark then last_mark, last_mark_bytes = mark, bytes6(mark) end
  local code_bytes = code == 0 and '\0\0\0\0' or bytes2(floor(code / 65536)) .. bytes2(code % 65536)
  return state .. delivery .. fence_bytes .. last_mark_bytes .. recipient .. code_bytes .. wamid
end

local function begin_books() counted, ends, ended = {}, {}, 0 end

-- done_key_of: the same; mostly it is the one of the last job.
local function done_key_of(lane, sequence)
  local bucket = floor(sequence / 4096)
  if lane.done_bucket ~= bucket then
    lane.done_bucket, lane.done_key = bucket, done_key(lane.number, sequence)
  end
  return lane.done_key
end

-- ends_of: what this call has to write into the bucket of a sequence; of `jobs` at least.
local function ends_of(lane, sequence, jobs)
  local key = done_key_of(lane, sequence)
  local fields = ends[key] or array(jobs * 2)
  ends[key] = fields
  return fields
end

-- write_end: note a job's end; `field` is its state's, s:STATE.
local function write_end(lane, sequence, packed, field)
  local fields = ends_of(lane, sequence, 1)
  local at = #fields
  fields[at + 1], fields[at + 2] = sequence, packed
  count(lane.source, field, 1)
  ended = ended + 1
end

-- renew: what is kept expires as a whole bucket (housekeeping), up to a minute before its time:
-- that is not put off at each call.
local function renew(key, keep_ms)
  local renewed = meta.facts.renewed
  if now - (renewed[key] or 0) >= RENEW_EVERY_MS then
    call('PEXPIRE', key, keep_ms)
    keep_fact(renewed, key, now)
  end
end

-- flush_ends: write the ends of a call.
local function flush_ends(keep_ms)
  for key, fields in pairs(ends) do
    call('HSET', key, unpack(fields))
    renew(key, keep_ms)
  end
  meta.ended = meta.ended + ended
  ends, ended = {}, 0
end
