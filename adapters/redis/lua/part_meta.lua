-- part_meta: what a slot knows of itself, read at the begin of every call and written at its end.
--
-- Needs    part_slot.
-- ARGV[1]  now_ms  epoch ms, from the caller's clock
-- ARGV[8]  worker  of a claim: who asks
-- meta     HASH    clock sequence recovering lanes pruned enqueued ended edition (of templates and
--                  lanes: who claims reads them again when it grew); worker:W, its last wish;
--                  busy, lanes|in|rings|of each priority|and senders behind whose own gate lanes
--                  sleep; policy, what the operator decided: places|headroom|
--                  reserve0|reserve1|reserve2|by_number|before|before_until; has, a stamp and the
--                  kinds of things that were put in, so that most calls need not look for them
--
-- Provides  now and now_text, meta, now_has(), has_no_more(), count_busy(), new_facts(), first_of(),
--           touch().
local meta, meta_key, now_text, firsts
local NO_POLICY, NOBODY_BUSY, SLEEPERS = '0|0|0|0|0|0|0|0', '0|0|0|0|0', 4
-- what was read of a text once is kept by that very text
local policies, kinds, busy_by_text, cached = {}, {}, {}, 0

-- What seldom changes (lanes' names, sources' states, templates, senders, what is shut) is kept
-- between calls, a portfolio's facts as long as its stamp stays: whoever changes one stamps it anew.
local FACTS_MAX = 20000
local facts_of, facts_held = {}, 0

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

local function read_kinds(packed)
  local bar = find(packed, '|', 1, true) or 0
  local has = { stamp = sub(packed, 1, bar - 1) }
  for kind in string.gmatch(sub(packed, bar + 1), '%a+') do has[kind] = true end
  return cache(kinds, packed, has)
end

-- read_facts: what is kept of the portfolio under a stamp, from now on; nothing without one.
local function read_facts(stamp)
  local h = call('HMGET', meta_key, 'lanes', 'recovering', 'edition')
  local facts = { stamp = stamp, lanes = {}, sources = {}, templates = {}, senders = {}, shut = {},
    renewed = {}, last_lane = tonumber(h[1] or 0), recovering = tonumber(h[2] or 0),
    edition = tonumber(h[3] or 0) }
  if stamp ~= '' then facts_of[tag] = facts end
  return facts
end

local function take_facts(stamp)
  local facts = facts_of[tag]
  if not facts or facts.stamp ~= stamp then facts = read_facts(stamp) end
  meta.facts, meta.lanes = facts, facts.last_lane
  meta.recovering, meta.edition = facts.recovering, facts.edition
end

-- keep_fact: keep one for later calls; all are forgotten when they have become too many.
local function keep_fact(facts, name, fact)
  if facts_held >= FACTS_MAX then facts_of, facts_held = {}, 0 end
  facts[name], facts_held = fact, facts_held + 1
  return fact
end

local function read_busy(packed)
  local busy, at = {}, 0
  for count in string.gmatch(packed, '%d+') do busy[at], at = tonumber(count), at + 1 end
  return cache(busy_by_text, packed, busy)
end

local function read_meta(worker)
  local v = call('HMGET', meta_key, 'clock', 'sequence', 'pruned', 'policy', 'has',
    'worker:' .. worker, 'busy', 'ended')
  local policy, has, busy = v[4] or NO_POLICY, v[5] or '', v[7] or NOBODY_BUSY
  local ended = tonumber(v[8] or 0)
  meta = { clock = tonumber(v[1] or 0), sequence = tonumber(v[2] or 0), pruned = tonumber(v[3] or 0),
    is_known = v[4], policy = policies[policy] or read_policy(policy), kinds = has,
    has = kinds[has] or read_kinds(has), stamps = 0, worker = tonumber(v[6] or 0),
    busy = busy_by_text[busy] or read_busy(busy), ended = ended, had_ended = ended }
  take_facts(meta.has.stamp)
end

local function begin_meta()
  meta_key, firsts = tag .. 'meta', {}
  read_meta(argv[8] or '')
  now = max(now, meta.clock)
  now_text = now == tonumber(argv[1]) and argv[1] or text(now) -- a number is costly to write
end

local function write_kinds(packed)
  meta.kinds = packed
  meta.has = kinds[packed] or read_kinds(packed)
  call('HSET', meta_key, 'has', packed)
end

-- now_has: something of a kind was put in; calls look for it from now on.
local function now_has(kind)
  if not meta.has[kind] then write_kinds(meta.kinds .. kind .. ' ') end
end

-- has_no_more: nothing of a kind is there any more; calls need not look for it.
local function has_no_more(kind)
  if meta.has[kind] then write_kinds((string.gsub(meta.kinds, '%f[%a]' .. kind .. ' ', ''))) end
end

-- count_busy: lanes came into rings of a priority or left them; SLEEPERS counts senders.
local function count_busy(place, by)
  local counts = {}
  for i = 0, SLEEPERS do counts[i + 1] = text(meta.busy[i] + (i == place and by or 0)) end
  local packed = table.concat(counts, '|')
  meta.busy = busy_by_text[packed] or read_busy(packed)
  call('HSET', meta_key, 'busy', packed)
end

-- new_facts: a lane, a source's state or a template has changed; nobody goes by what he kept. No
-- stamp comes twice, not even where a server that lost its tail counts the same sequence again.
local function new_facts()
  local moment = call('TIME')
  meta.stamps = meta.stamps + 1
  local stamp = table.concat({ text(meta.sequence), moment[1], moment[2], meta.stamps }, '.')
  local bar = find(meta.kinds, '|', 1, true) or 0
  write_kinds(stamp .. '|' .. sub(meta.kinds, bar + 1))
  take_facts(stamp)
end

-- first_of: the nearest moment in a sorted set of moments; read once, until somebody forgets it.
-- Of most sets there is a kind: while nothing is in them they are not looked at.
local HAS_KIND = { later = true, openings = true, doubts = true, expiring = true }
local function first_of(name)
  local first = firsts[name]
  if not first then
    first = FOREVER
    if meta.has[name] or not HAS_KIND[name] then
      first = tonumber(call('ZRANGE', tag .. name, '0', '0', 'WITHSCORES')[2] or FOREVER)
      if first == FOREVER and HAS_KIND[name] then has_no_more(name) end
    end
    firsts[name] = first
  end
  return first
end

local function forget_first(name) firsts[name] = nil end

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
