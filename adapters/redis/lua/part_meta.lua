-- part_meta: what a slot knows of itself, read at the begin of every call and written at its end.
--
-- Needs    part_slot.
-- ARGV[1]  now_ms  epoch ms, from the caller's clock
-- ARGV[8]  worker  of a claim: who asks
-- meta     HASH    clock sequence recovering lanes pruned enqueued ended edition (of templates and
--                  lanes: who claims reads them again when it grew); worker:W, its last wish;
--                  busy0 to busy3, lanes in rings of each priority; sleepers, senders behind whose
--                  own gate lanes sleep; policy, what the operator decided: places|headroom|
--                  reserve0|reserve1|reserve2|by_number|before|before_until; has, kinds of things
--                  that were ever put in, so that most calls need not look for them
--
-- Provides  now and now_text, meta, now_has(), touch().
local meta, meta_key, now_text
local BUSY_AT = 10 -- where the counts of busy lanes begin in what HMGET answers
local NO_POLICY = '0|0|0|0|0|0|0|0'
local policies, kinds, cached = {}, {}, 0 -- what was read of a text once is kept by that very text

local function cache(texts, packed, value)
  if cached >= 1000 then policies, kinds, cached = {}, {}, 0 end
  texts[packed], cached = value, cached + 1
  return value
end

-- read_policy: what the operator decided for the portfolio.
local function read_policy(packed)
  local parts = {}
  for part in string.gmatch(packed, '[^|]+') do parts[#parts + 1] = tonumber(part) end
  return cache(policies, packed, { places = parts[1], headroom = parts[2],
    reserve = { [0] = parts[3], parts[4], parts[5], 0 }, by_number = parts[6] == 1,
    before = parts[7], before_until = parts[8] })
end

local function read_kinds(packed)
  local has = {}
  for kind in string.gmatch(packed, '%a+') do has[kind] = true end
  return cache(kinds, packed, has)
end

local function read_meta(worker)
  local v = call('HMGET', meta_key, 'clock', 'sequence', 'recovering', 'lanes', 'pruned', 'policy',
    'has', 'worker:' .. worker, 'sleepers', 'busy0', 'busy1', 'busy2', 'busy3',
    'ended', 'edition')
  local policy, has = v[6] or NO_POLICY, v[7] or ''
  meta = { clock = tonumber(v[1] or 0), sequence = tonumber(v[2] or 0),
    recovering = tonumber(v[3] or 0), lanes = tonumber(v[4] or 0), pruned = tonumber(v[5] or 0),
    is_known = v[6], policy = policies[policy] or read_policy(policy), kinds = has,
    has = kinds[has] or read_kinds(has), worker = tonumber(v[8] or 0), sleepers = v[9],
    busy = v, ended = tonumber(v[14] or 0),
    edition = tonumber(v[15] or 0) } -- busy from BUSY_AT on
  meta.had_ended = meta.ended
end

local function begin_meta()
  meta_key = tag .. 'meta'
  read_meta(argv[8] or '')
  now = max(now, meta.clock)
  now_text = now == tonumber(argv[1]) and argv[1] or text(now) -- a number is costly to write
end

-- now_has: something of a kind was put in; calls look for it from now on.
local function now_has(kind)
  if meta.has[kind] then return end
  meta.kinds = meta.kinds .. kind .. ' '
  meta.has = read_kinds(meta.kinds)
  call('HSET', meta_key, 'has', meta.kinds)
end

-- touch: write down the clock, how many jobs have ended, and a new sequence number when something
-- changed; `field` (or nil) goes along.
local function touch(changed, field, value)
  if changed then meta.sequence = meta.sequence + 1 end
  local fields = { 'clock', now_text, 'sequence', text(meta.sequence) }
  if meta.ended ~= meta.had_ended then
    fields[5], fields[6] = 'ended', text(meta.ended)
  end
  if field then
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  call('HSET', meta_key, unpack(fields))
end
