-- part_meta: what a slot knows of itself, read at the begin of every call and written at its end.
--
-- uses: part_kinds part_facts part_busy
--
-- Needs    part_slot.
-- ARGV[1]  now_ms  epoch ms, from the caller's clock
-- ARGV[8]  worker  of a claim: who asks
-- meta     HASH    clock sequence pruned enqueued ended; worker:W, its last wish; policy, what the
--                  operator decided: places|headroom|reserve0|reserve1|reserve2|by_number|before|
--                  before_until; has, see part_kinds; busy, see part_busy; lanes recovering
--                  edition, see part_facts
--
-- Provides  meta, touch(); time goes on from the last call's.
local meta, meta_key
local NO_POLICY, NOBODY_BUSY = '0|0|0|0|0|0|0|0', '0|0|0|0|0'
-- What was read of a text once is kept by that very text.
local policies, kinds, busy_by_text, cached = {}, {}, {}, 0

local function cache(texts, packed, value)
  if cached >= 1000 then policies, kinds, busy_by_text, cached = {}, {}, {}, 0 end
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

local function read_meta(worker)
  local v = call('HMGET', meta_key, 'clock', 'sequence', 'pruned', 'policy', 'has',
    'worker:' .. worker, 'busy', 'ended')
  local policy, has, busy = v[4] or NO_POLICY, v[5] or '', v[7] or NOBODY_BUSY
  local ended = (v[8] or 0) + 0
  meta = { clock = (v[1] or 0) + 0, sequence = (v[2] or 0) + 0,
    pruned = (v[3] or 0) + 0, is_known = v[4], kinds = has,
    policy = policies[policy] or read_policy(policy),
    has = kinds[has] or read_kinds(has), stamps = 0, worker = (v[6] or 0) + 0,
    busy = busy_by_text[busy] or read_busy(busy), ended = ended, had_ended = ended }
  take_facts(meta.has.stamp)
end

local function begin_meta()
  meta_key = tag .. 'meta'
  read_meta(argv[8] or '')
  if meta.clock > now then now, now_text = meta.clock, text(meta.clock) end
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
