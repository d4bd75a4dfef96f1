-- comebacks_read: when the next of the jobs that are kept aside comes back, gate by gate.
--
-- uses: part_terms part_slot
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  source  only of this one; empty: of all
-- ARGV[4]  sender  only of this one; empty: of all
-- ARGV[5]  most    jobs to look at, those first that come back first
--
-- Returns  { letter, moment, ... } as part_rows has letters of gates
--
-- later  ZSET  job -> when it comes back
-- aside  HASH  job -> gate letter and row
-- lane:N HASH  its source and sender
local last = tonumber(argv[5]) - 1
local found = call('ZRANGE', tag .. 'later', 0, last, 'WITHSCORES')
local lanes, firsts = {}, {}

local function is_meant(job)
  local number = match(job, '^%d+')
  if not lanes[number] then
    lanes[number] = call('HMGET', tag .. 'lane:' .. number, 'source', 'sender')
  end
  local lane = lanes[number]
  return (argv[3] == '' or lane[1] == argv[3]) and (argv[4] == '' or lane[2] == argv[4])
end

for i = 1, #found, 2 do
  if is_meant(found[i]) then
    local letter = sub(call('HGET', tag .. 'aside', found[i]) or '', 1, 1)
    firsts[letter] = firsts[letter] or tonumber(found[i + 1])
  end
end
local told = {}
for letter, moment in pairs(firsts) do
  told[#told + 1], told[#told + 2] = letter, moment
end
return told
