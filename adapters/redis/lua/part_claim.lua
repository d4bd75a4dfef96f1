-- part_claim: what one claim knows and gathers: senders, rows, refusals, jobs given.
--
-- Needs     all parts before it.
-- ARGV[5]  most  how many jobs the worker can write now
-- ARGV[6]  low   how many of them may be utility or marketing
--
-- Mirror of adapters/memory/claim.py, class Claim.
local most, low, steps, low_left, given
local only -- the one priority that has jobs to give; nil where there are several, or none
local senders, sender_order, refusals, lease_until, lease_text, lease_bytes

local function begin_claim()
  most, low = argv[5] + 0, argv[6] + 0
  steps, low_left, given, only = 256, min(low, most), 0, nil
  senders, sender_order, refusals = {}, {}, {}
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

local function has_slot(sender, priority, slowed)
  return off.rate or ready_at(sender, priority, slowed) <= now
end

local function take_slot(sender)
  if off.rate then return now * 1000 end
  local slot_us = max(sender.next_us, now * 1000)
  sender.next_us = slot_us + sender.interval_us
  return slot_us
end
