-- part_ends: the ends of the jobs that a batch of receipts tells of, read and written at once.
--
-- Needs  part_slot, part_bytes, part_terms, part_lanes, part_books, part_receipts.
local READ = 5
local buckets, buckets_told

local function begin_ends() buckets = {} end

-- bucket_at: the ends of a lane's jobs whose sequences begin alike, of those that are told of.
local function bucket_at(lane, high)
  local key = done_key(lane.number, high * 4096)
  local bucket = buckets[key]
  if not bucket then
    bucket = { key = key, high = high, asked = {}, ends = {}, changed = {}, size = 0 }
    buckets[key] = bucket
  end
  lane.bucket = bucket
  return bucket
end

local function read_ends(count)
  buckets_told = array(count)
  local told, lanes, names = buckets_told, lanes_told, sequences
  for i = 1, count do
    local lane, bucket = lanes[i], false
    if lane then
      local sequence = names[i]
      local high = floor(sequence / 4096)
      bucket = lane.bucket
      if not bucket or bucket.high ~= high then bucket = bucket_at(lane, high) end
      local asked = bucket.asked
      asked[#asked + 1] = sequence
    end
    told[i] = bucket
  end
  for key, bucket in pairs(buckets) do
    local asked, ends = bucket.asked, bucket.ends
    local found = call('HMGET', key, unpack(asked))
    for i = 1, #asked do ends[asked[i]] = found[i] end
  end
end

-- end_at: how the job of a receipt has ended; nothing while it has not.
local function end_at(i)
  local bucket = buckets_told[i]
  return bucket and bucket.ends[sequences[i]]
end

-- was_counted: whether a job's one copy was counted when it arrived: reading it does not count
-- again. A second copy may arrive after the first was read: the latest arrival is what counts.
local function was_counted(rank, ended)
  if rank < READ then return false end
  local delivery, high, low = byte(ended, 2, 4)
  return delivery >= 52 and high == 0 and low == 1
end

-- read_own_end: how a job has ended by this very receipt.
local function read_own_end()
  local bucket, sequence = buckets_told[receipt.place], sequences[receipt.place]
  flush_ends(keep_ms)
  bucket.ends[sequence] = call('HGET', bucket.key, sequence)
end

-- set_end: an end is written when all receipts are read.
local function set_end(ended)
  local bucket, sequence = buckets_told[receipt.place], sequences[receipt.place]
  local changed, at = bucket.changed, bucket.size + 2
  bucket.ends[sequence], changed[at - 1], changed[at], bucket.size = ended, sequence, ended, at
end

-- flush_moved: write the ends that moved.
local function flush_moved()
  for key, bucket in pairs(buckets) do
    if bucket.changed[1] then
      call('HSET', key, unpack(bucket.changed))
      renew(key, keep_ms)
    end
  end
end
