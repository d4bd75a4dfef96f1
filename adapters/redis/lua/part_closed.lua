-- part_closed: the gate that holds all that a sender has, for those who only look.
--
-- Needs  part_slot; off (set of gates switched off), named before it.
-- s:S       HASH  waba; closed, until when nothing of it may leave, epoch ms
-- accounts  HASH  account -> the same of all its senders
--
-- Mirror of adapters/memory/slot.py. A claim asks each sender once, in part_senders.
local closed_cache

local function begin_closed() closed_cache = {} end

local function look_at_sender(name)
  local h = call('HMGET', tag .. 's:' .. name, 'waba', 'closed')
  if not h[1] then return { 'sender', FOREVER } end
  local closed_until = tonumber(h[2] or 0)
  if closed_until > now and not off.sender then return { 'sender', closed_until } end
  local account_until = tonumber(call('HGET', tag .. 'accounts', h[1]) or 0)
  if account_until > now and not off.account then return { 'account', account_until } end
  return {}
end

-- gate_of_sender: the gate and until when; nil when it may send.
local function gate_of_sender(name)
  local found = closed_cache[name]
  if not found then
    found = look_at_sender(name)
    closed_cache[name] = found
  end
  return found[1], found[2]
end
