-- history_read: what a piece of the outcome log tells of one job; read from its end, bite by bite.
--
-- uses: part_terms part_slot
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  lane      number of its lane
-- ARGV[4]  sequence  its place there
-- ARGV[5]  before    where the piece ends: + at first, then ( and the last id of the one before
-- ARGV[6]  most      records to look at
--
-- Returns  { is_over, last, told }
--   is_over  1 when there is nothing to look at before: the log's begin, or when it was queued
--   last     id of the earliest record that was looked at
--   told     id, packed, ... of records that may name it; packed is '' of the one that queued it
--
-- log  STREAM  see part_log
local number, sequence, most = tonumber(argv[3]), tonumber(argv[4]), tonumber(argv[6])
local job = argv[3] .. '.' .. argv[4]
local found = call('XREVRANGE', tag .. 'log', argv[5], '-', 'COUNT', argv[6])
local told, is_over, last = {}, #found < most and 1 or 0, ''

local function tell(packed)
  told[#told + 1] = last
  told[#told + 1] = packed
end

local function is_queued_by(packed)
  local lane, first, count = match(packed, '^(%d+)|(%d+)|(%d+)$')
  local before = sequence - tonumber(first or 0)
  return tonumber(lane) == number and before >= 0 and before < tonumber(count)
end

for i = 1, #found do
  last = found[i][1]
  local kind, packed = found[i][2][1], found[i][2][2]
  if kind == 'moved' then
    if find(packed, job, 1, true) then tell(packed) end
  elseif is_queued_by(packed) then
    tell('')
    is_over = 1
    break
  end
end
return { is_over, last, told }
