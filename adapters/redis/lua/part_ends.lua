-- part_ends: what is known of the jobs a batch of receipts tells of, read and written at once.
--
-- Needs     part_slot, part_bytes, part_terms, part_lanes, part_window, part_books, part_receipts.
-- Provides  end_at; opens, of each place the record of a job that has not ended.
local UNDELIVERED, DELIVERED, READ = 3, 4, 5
local buckets, buckets_told, opens

local function begin_ends() buckets, buckets_told, opens = {}, {}, {} end

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
  for _, bucket in pairs(buckets) do
    local asked, ends = bucket.asked, bucket.ends
    local found = call('HMGET', bucket.key, unpack(asked))
    for i = 1, #asked do ends[asked[i]] = found[i] end
  end
end

local function end_at(i)
  local bucket = buckets_told[i]
  return bucket and bucket.ends[sequences[i]]
end

-- was_counted: whether a job's one copy was counted when it arrived: reading it does not count
-- again. A second copy may arrive after the first was read: the latest arrival is what counts.
local function was_counted(rank, ended)
  local delivery, high, low = byte(ended, 2, 4)
  return rank == READ and delivery >= 52 and high == 0 and low == 1
end

local function ask_score(i, ended)
  local lane = lanes_told[i]
  local win = lane and lane.sender and window_of(lane) or window(scope_of(sender_at(i)))
  local asked = win.asked or {}
  win.asked = asked
  asked[#asked + 1] = ended and sub(ended, 11, 18) or recipient_at(i)
end

-- read_open: the records of jobs that have not ended, and the scores of all who may move.
local function read_open(count)
  local jobs, places = {}, {}
  for i = 1, count do
    local ended, rank = end_at(i), byte(receipts, ranks[i]) - 48
    if not ended and lanes_told[i] then
      places[#places + 1] = i
      jobs[#places] = sub(receipts, heads[i] + HEAD, ranks[i] - 1)
    end
    if not ended or rank >= UNDELIVERED and not was_counted(rank, ended) then ask_score(i, ended) end
  end
  if #jobs > 0 then
    local found = call('HMGET', tag .. 'open', unpack(jobs))
    for at, i in ipairs(places) do opens[i] = found[at] end
  end
  for _, win in pairs(windows) do fetch_scores(win, win.asked or {}) end
end

-- read_own_end: a job that this very receipt has ended.
local function read_own_end()
  local bucket, sequence = buckets_told[receipt.place], receipt.sequence
  flush_ends(keep_ms)
  bucket.ends[sequence] = call('HGET', bucket.key, sequence)
end

-- set_end: an end is written when all receipts are read, over what was read.
local function set_end(ended)
  local bucket, sequence = buckets_told[receipt.place], receipt.sequence
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
