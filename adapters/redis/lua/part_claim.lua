-- part_claim: what one claim knows and gathers: senders, rows, refusals, jobs given.
--
-- Needs     all parts before it.
-- ARGV[10]  most  how many jobs the worker can write now
-- ARGV[11]  low   how many of them may be utility or marketing
-- s:S       HASH  sender: waba, nominal, learned, next_us, decreased, raised, closed, turn, share;
--                  market, marketing's share of its send times and from when on it may take one
-- accounts  HASH  waba -> closed until, epoch ms
--
-- Mirror of adapters/memory/claim.py, class Claim.
local most, low, steps, low_left, given
local senders, sender_order, refusals, lease_until, lease_text, lease_bytes
local account_cache = {}

local function begin_claim()
  most, low = tonumber(argv[10]), tonumber(argv[11])
  steps, low_left, given = 256, min(low, most), 0
  senders, sender_order, refusals = {}, {}, {}
  if next(account_cache) then account_cache = {} end
  lease_until = now + lease_ms
  lease_text, lease_bytes = text(lease_until), bytes6(lease_until)
end

local function refuse(sender, gate)
  local name = sender .. '|' .. gate
  refusals[name] = (refusals[name] or 0) + 1
end

local function may_take(priority)
  if steps <= 0 or given >= most then return false end
  return priority <= 1 or low_left > 0
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

-- load_sender: a sender with its gate, looked at once per claim; a learned rate rises here.
local function load_sender(name)
  local sender = senders[name]
  if sender then return sender end
  local h = call('HMGET', tag .. 's:' .. name, 'waba', 'nominal', 'learned', 'next_us', 'raised',
    'closed', 'turn', 'share', 'sleepers', 'lanes0', 'lanes1', 'lanes2', 'lanes3',
    'market')
  sender = { name = name, key = tag .. 's:' .. name, known = h[1], wants = FOREVER, fields = {},
    rings = {}, has_sleepers = h[9] == '1', lanes = { [0] = h[10], h[11], h[12], h[13] } }
  senders[name] = sender
  sender_order[#sender_order + 1] = sender
  sender.closed, sender.closed_until = 'sender', FOREVER
  if not h[1] then return sender end
  sender.closed = nil
  sender.nominal, sender.learned = tonumber(h[2]), tonumber(h[3] or 0)
  sender.next_us, sender.turn = tonumber(h[4] or 0), tonumber(h[7] or 0)
  sender.share = tonumber(h[8] or 0)
  local closed_until = tonumber(h[6] or 0)
  local account_until = account_closed_until(h[1])
  if closed_until > now and not off.sender then
    sender.closed, sender.closed_until = 'sender', closed_until
  elseif account_until > now and not off.account then
    sender.closed, sender.closed_until = 'account', account_until
  end
  if sender.learned > 0 and now - tonumber(h[5] or 0) >= 1000 then
    sender.learned = sender.learned + max(1, floor(sender.nominal / 50))
    if sender.learned >= sender.nominal then sender.learned = 0 end
    sender.fields = { 'learned', sender.learned, 'raised', now }
  end
  local rate = sender.learned > 0 and sender.learned or sender.nominal
  sender.interval_us = math.ceil(1000000 / rate)
  if h[14] then load_market(sender, h[14]) end
  return sender
end

local function has_slot(sender, priority)
  if off.rate then return true end
  return open_us(sender, priority) <= (now + (priority > 1 and 10 or 250)) * 1000
end

local function take_slot(sender)
  if off.rate then return now * 1000 end
  local slot_us = max(sender.next_us, now * 1000)
  sender.next_us = slot_us + sender.interval_us
  return slot_us
end
