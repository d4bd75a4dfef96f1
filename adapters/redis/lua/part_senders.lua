-- part_senders: senders as one claim knows them, each with its gate and its pace.
--
-- Needs     part_claim, part_market, part_meta (facts).
-- s:S       HASH  sender: waba, nominal, learned, next_us, decreased, raised, closed, turn, share;
--                  market, marketing's share of its send times and from when on it may take one
-- accounts  HASH  waba -> closed until, epoch ms
--
-- Mirror of adapters/memory/under_way.py.
local account_cache = {}

local function begin_senders()
  if next(account_cache) then account_cache = {} end
end

local function account_closed_until(waba)
  if not meta.has.accounts then return 0 end
  local until_ms = account_cache[waba]
  if not until_ms then
    until_ms = tonumber(call('HGET', tag .. 'accounts', waba) or 0)
    account_cache[waba] = until_ms
  end
  return until_ms
end

-- sender_fact: what seldom changes of a sender.
local function sender_fact(name)
  local key = tag .. 's:' .. name
  local h = call('HMGET', key, 'waba', 'nominal', 'learned', 'raised', 'closed', 'sleepers')
  if not h[1] then return { name = name, key = key } end
  return keep_fact(meta.facts.senders, name, { name = name, key = key, waba = h[1],
    nominal = tonumber(h[2]), learned = tonumber(h[3] or 0), raised = tonumber(h[4] or 0),
    closed_until = tonumber(h[5] or 0), has_sleepers = h[6] == '1' })
end

local function look_at_gate(sender, fact)
  local account_until = account_closed_until(fact.waba)
  if fact.closed_until > now and not off.sender then
    sender.closed, sender.closed_until = 'sender', fact.closed_until
  elseif account_until > now and not off.account then
    sender.closed, sender.closed_until = 'account', account_until
  end
end

local function raise(sender)
  sender.learned = sender.learned + max(1, floor(sender.nominal / 50))
  if sender.learned >= sender.nominal then sender.learned = 0 end
  sender.fields, sender.is_raised = { 'learned', sender.learned, 'raised', now }, true
end

-- step_of: microseconds from one of its send times to the next.
local function step_of(sender)
  return math.ceil(1000000 / (sender.learned > 0 and sender.learned or sender.nominal))
end

-- load_sender: a sender with its gate, looked at once per claim; a learned rate rises here.
local function load_sender(name)
  local sender = senders[name]
  if sender then return sender end
  local fact = meta.facts.senders[name] or sender_fact(name)
  local h, lanes_there
  if only then -- nobody has lanes of any other, and nobody counts turns
    h = call('HMGET', fact.key, 'next_us', 'market', 'lanes' .. digits(only))
    lanes_there = { [only] = h[3] }
  else
    h = call('HMGET', fact.key, 'next_us', 'market', 'lanes0', 'lanes1', 'lanes2', 'lanes3',
      'turn', 'share')
    lanes_there = { [0] = h[3], h[4], h[5], h[6] }
  end
  sender = { name = name, key = fact.key, known = fact.waba, nominal = fact.nominal,
    learned = fact.learned, next_us = (h[1] or 0) + 0, turn = (h[7] or 0) + 0,
    share = (h[8] or 0) + 0, lanes = lanes_there, rings = {},
    fields = {}, wants = FOREVER, has_sleepers = fact.has_sleepers }
  senders[name] = sender
  sender_order[#sender_order + 1] = sender
  if not fact.waba then
    sender.closed, sender.closed_until = 'sender', FOREVER
    return sender
  end
  look_at_gate(sender, fact)
  if sender.learned > 0 and now - fact.raised >= 1000 then raise(sender) end
  sender.interval_us = step_of(sender)
  if h[2] then load_market(sender, h[2]) end
  return sender
end
