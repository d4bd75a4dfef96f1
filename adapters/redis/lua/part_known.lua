-- part_known: which rows of a batch their source knows already.
--
-- Needs  part_slot.
-- seen:S    SET   dedupe values of a source whose rows carry no fingerprint
-- keys:S:D  HASH  dedupe -> fingerprint and job, of day D; of a campaign in one that stays
local DAY_MS, KEPT_MS = 86400000, 259200000
local not_new

local function begin_known() not_new = {} end

-- is_for_good: a campaign's rows are known as long as it is.
local function is_for_good(source) return sub(source, 1, 9) == 'campaign:' end

-- keys_of_today: the hash where new keys of this day go.
local function keys_of_today(source)
  local day = is_for_good(source) and 0 or floor(now / DAY_MS)
  return tag .. 'keys:' .. source .. ':' .. day, day
end

-- keep_keys: note new keys in the hash of their day, which goes by itself.
local function keep_keys(source, keys_today, keys)
  call('HSET', keys_today, unpack(keys))
  if not is_for_good(source) then call('PEXPIRE', keys_today, KEPT_MS) end
end

-- look_up: what the source knows of each row, and the hash where new keys of this day go.
local function look_up(source, values, from, rows, keyed)
  local dedupes, known = {}, {}
  for i = 1, rows do dedupes[i] = sub(values[from + i - 1], 1, 8) end
  if not keyed then
    local hits = call('SMISMEMBER', tag .. 'seen:' .. source, unpack(dedupes))
    for i = 1, rows do known[i] = hits[i] == 1 and '' end
    return known, nil
  end
  local keys_today, day = keys_of_today(source)
  local today = call('HMGET', keys_today, unpack(dedupes))
  local before = call('HMGET', tag .. 'keys:' .. source .. ':' .. (day - 1), unpack(dedupes))
  for i = 1, rows do known[i] = today[i] or before[i] end
  return known, keys_today
end

-- note_known: `record` is what its key was kept with, '' where the row is known without a key.
local function note_known(index, record, fingerprint)
  local conflict = record ~= '' and fingerprint ~= '' and sub(record, 1, 8) ~= fingerprint
  local at = #not_new
  not_new[at + 1], not_new[at + 2], not_new[at + 3] = index, sub(record, 9), conflict and 1 or 0
end

-- note_over: a row that is new, and for which its source has no room.
local function note_over(index)
  local at = #not_new
  not_new[at + 1], not_new[at + 2], not_new[at + 3] = index, '', 2
end
