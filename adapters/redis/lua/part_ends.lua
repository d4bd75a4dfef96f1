-- part_ends: the ends of the jobs that a batch of receipts tells of, read and written at once.
--
-- Needs  part_slot, part_bytes, part_terms, part_lanes, part_books, part_receipts.
local READ = 5
local buckets, buckets_told

local function begin_ends() buckets, buckets_told = {}, {} end

-- bucket_of: the ends of a lane's jobs, of those that the batch tells of.
local function bucket_of(lane, sequence)
  local key = done_key_of(lane, tonumber(sequence))
  local bucket = buckets[key]
  if not bucket then
    bucket = { key = key, asked = {}, ends = {}, changed = {} }
    buckets[key] = bucket
  end
  local asked = bucket.asked
  asked[#asked + 1] = sequence
  return bucket
end

local function read_ends(count)
  for i = 1, count do
    local lane = lanes_told[i]
    buckets_told[i] = lane and bucket_of(lane, sequences[i])
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
  local changed = bucket.changed
  local at = #changed
  bucket.ends[sequence], changed[at + 1], changed[at + 2] = ended, sequence, ended
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
