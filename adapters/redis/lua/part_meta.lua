-- part_meta: what a slot knows of itself, read at the begin of every call and written at its end.
--
-- uses: part_kinds part_facts part_busy
--
-- Needs    part_slot.
-- ARGV[1]  now_ms  epoch ms, from the caller's clock
-- ARGV[3]  worker  of a claim: who asks
-- meta     HASH    state: clock|sequence|ended|pruned, which change together; enqueued; worker:W,
--                  its last wish; policy, what the operator decided: places|headroom|reserve0|
--                  reserve1|reserve2|by_number|before|before_until; has, see part_kinds; busy, see
--                  part_busy; lanes recovering edition, see part_facts
--
-- Provides  meta, touch(); time goes on from the last call's.
local meta, meta_key = {}, nil
local NO_POLICY, NOBODY_BUSY = '0|0|0|0|0|0|0|0', '0|0|0|0|0'
-- What was read of a text once is kept by that very text.
local policies, kinds, busy_by_text, cached = {}, {}, {}, 0
local states, states_held = {}, 0 -- what was written last, by tag
local STATES_MAX = 5000

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

-- read_state: mostly it is what the last call here wrote: then nothing has to be read of it.
local function read_state(packed)
  local last = states[tag]
  if last and last.packed == packed then
    meta.clock, meta.sequence, meta.ended = last.clock, last.sequence, last.ended
    meta.pruned, meta.pruned_text = last.pruned, last.pruned_text
    return
  end
  local clock, sequence, ended, pruned = match(packed, '^(%d+)|(%d+)|(%d+)|(%d+)$')
  meta.clock, meta.sequence, meta.ended = clock + 0, sequence + 0, ended + 0
  meta.pruned, meta.pruned_text = pruned + 0, pruned
end

local function read_meta(worker)
  local v = call('HMGET', meta_key, 'state', 'policy', 'has', 'busy', 'worker:' .. worker)
  local policy, has, busy = v[2] or NO_POLICY, v[3] or '', v[4] or NOBODY_BUSY
  read_state(v[1] or '0|0|0|0')
  meta.is_known, meta.policy = v[2], policies[policy] or read_policy(policy)
  meta.kinds, meta.has, meta.stamps = has, kinds[has] or read_kinds(has), 0
  meta.busy, meta.worker = busy_by_text[busy] or read_busy(busy), (v[5] or 0) + 0
  take_facts(meta.has.stamp)
end

local function begin_meta()
  meta_key = tag .. 'meta'
  read_meta(argv[3] or '')
  if meta.clock > now then now, now_text = meta.clock, text(meta.clock) end
end

local function keep_state(packed)
  local last = states[tag]
  if not last then
    if states_held >= STATES_MAX then states, states_held = {}, 0 end
    last, states_held = {}, states_held + 1
    states[tag] = last
  end
  last.packed, last.clock, last.sequence, last.ended = packed, now, meta.sequence, meta.ended
  last.pruned, last.pruned_text = meta.pruned, meta.pruned_text
end

-- touch: write down the clock, how many jobs have ended, and a new sequence number when something
-- changed; `field` (or nil) goes along.
local function touch(changed, field, value)
  if changed then meta.sequence = meta.sequence + 1 end
  local state = format('%s|%d|%d|%s', now_text, meta.sequence, meta.ended, meta.pruned_text)
  keep_state(state)
  if field then
    call('HSET', meta_key, 'state', state, field, value)
  else
    call('HSET', meta_key, 'state', state)
  end
end
