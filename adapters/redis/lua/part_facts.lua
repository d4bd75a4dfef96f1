-- part_facts: what of a slot seldom changes, kept between calls.
--
-- Needs  part_meta, part_kinds.
-- meta   HASH  lanes, the last number given; recovering, until when; edition, of templates and
--              lanes: who claims reads them again when it grew
--
-- Lanes' names, sources' states, templates, senders, what is shut: a portfolio's facts are kept as
-- long as its stamp stays. Whoever changes one of them stamps it anew.
local FACTS_MAX = 20000
local facts_of, facts_held = {}, 0

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
