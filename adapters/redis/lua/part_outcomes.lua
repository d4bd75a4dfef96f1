-- part_outcomes: what each way a write can end does to its job and to the gates.
--
-- uses: part_pair_waits
--
-- Needs  part_settle. Mirror of adapters/memory/settle.py.
-- strikes  HASH  sender|template -> unknown codes in a row
-- struck   SET   sender|template parked after five
-- answered HASH  see part_answered
-- service  ZSET  see gate_window
local STRIKES_MAX, JUDGED_FOR_MS, ANSWER_HOLDS_MS = 5, 10000, 2000
local OUTSIDE_CODE, SERVICE_MS, JUST_WROTE_MS = 131047, 86400000, 300000 -- engine/inbound.py
local some_strikes, unstruck, news = nil, {}, {}

local function begin_outcomes()
  some_strikes = meta.has.strikes
  if next(unstruck) then unstruck = {} end
  if news[1] then news = {} end
end

-- unstrike: an acceptance ends a pair's unknown codes in a row; told once, until the next of them.
local function unstrike(lane)
  if not some_strikes then return end
  local pair = lane.sender .. '|' .. lane.template
  if unstruck[pair] then return end
  unstruck[pair] = true
  call('HDEL', tag .. 'strikes', pair)
end

local function tell(gate, key)
  news[#news + 1] = gate
  news[#news + 1] = key
end

-- learn_down: one decrease per second of send times, for sends that are not long ago.
local function learn_down(sender, sent_at_ms)
  local key = tag .. 's:' .. sender
  local h = call('HMGET', key, 'nominal', 'learned', 'decreased')
  local decreased = tonumber(h[3] or 0)
  if decreased > 0 and sent_at_ms < decreased + 1000 then return end
  if now - sent_at_ms > JUDGED_FOR_MS then return end
  local learned = tonumber(h[2] or 0)
  local rate = learned > 0 and learned or tonumber(h[1])
  call('HSET', key, 'learned', max(1, floor(rate * 7 / 10)), 'decreased', now, 'raised', now)
  new_facts()
  tell('rate', sender)
end

-- disprove_window: Meta refused a message because the person's service window was closed.
local function disprove_window(code, lane, recipient, at_ms)
  if code ~= OUTSIDE_CODE then return end
  local key, pair = tag .. 'service', lane.sender .. ':' .. recipient
  local until_ms = tonumber(call('ZSCORE', key, pair) or 0)
  if until_ms - SERVICE_MS <= at_ms - JUST_WROTE_MS then call('ZREM', key, pair) end
end

local function close_gate(opened, gate, until_ms)
  local lane = opened.lane
  if gate == 'template' then
    now_has('struck')
    local pair = lane.sender .. '|' .. lane.template
    if call('SADD', tag .. 'struck', pair) == 1 then tell(gate, pair) end
    return
  end
  local key, field = tag .. 's:' .. lane.sender, 'closed'
  local name = lane.sender
  if gate == 'account' then
    now_has('accounts')
    key, name = tag .. 'accounts', call('HGET', key, 'waba')
    field = name
  end
  if tonumber(call('HGET', key, field) or 0) < until_ms then
    call('HSET', key, field, until_ms)
    call('HSET', tag .. 'answered', gate .. '|' .. name, text(now + ANSWER_HOLDS_MS))
    new_facts()
    tell(gate, name)
  end
end
