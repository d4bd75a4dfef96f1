-- part_busy: how many lanes have jobs to give, by priority.
--
-- Needs  part_meta.
-- meta   HASH  busy: lanes|in|rings|of each priority|and senders behind whose own gate lanes sleep
local SLEEPERS = 4

local function read_busy(packed)
  local busy, at = {}, 0
  for count in string.gmatch(packed, '%d+') do busy[at], at = tonumber(count), at + 1 end
  return cache(busy_by_text, packed, busy)
end

-- count_busy: lanes came into rings of a priority or left them; SLEEPERS counts senders.
local function count_busy(place, by)
  local counts = {}
  for i = 0, SLEEPERS do counts[i + 1] = text(meta.busy[i] + (i == place and by or 0)) end
  local packed = table.concat(counts, '|')
  meta.busy = busy_by_text[packed] or read_busy(packed)
  call('HSET', meta_key, 'busy', packed)
end
