-- part_outcomes: what each way a write can end does to its job and to the gates.
--
-- Needs  part_settle. Mirror of adapters/memory/settle.py.
-- strikes  HASH  sender|template -> unknown codes in a row
-- struck   SET   sender|template parked after five
-- pairs    ZSET  sender:recipient -> until when the pair's budget is spent
local STRIKES_MAX, PAIR_LEFT_MS, JUDGED_FOR_MS = 5, 43 * 6000, 10000
local some_strikes, news

local function begin_outcomes() some_strikes, news = meta.has.strikes, {} end

local function tell(gate, key)
  news[#news + 1] = gate
  news[#news + 1] = key
end

local function close_pair(opened, until_ms)
  now_has('pairs')
  local name = opened.lane.sender .. ':' .. opened.recipient
  call('ZADD', tag .. 'pairs', 'GT', until_ms + PAIR_LEFT_MS, name)
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
  tell('rate', sender)
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
    tell(gate, name)
  end
end

local function retry(opened, code, until_ms, attempts_max)
  local row = with_failures(opened.row, byte(opened.row, 16) + 1)
  opened.row = row
  local expires_ms = row_expires(row)
  if byte(row, 16) >= attempts_max or expires_ms > 0 and until_ms >= expires_ms then
    end_open(opened, 'F', 's:failed', 0, 0, code, '')
  else
    delay(opened.lane, row, until_ms, 'retry')
  end
end

local function defer(opened, detail)
  local gate, until_ms = string.match(detail, '^(%a+)|%d+|(%d+)$')
  until_ms = tonumber(until_ms)
  local sent_at_ms = opened.since - lease_ms
  close(opened, 0)
  if gate == 'pair' then
    close_pair(opened, until_ms)
    delay(opened.lane, opened.row, until_ms, 'pair')
  elseif gate == 'rate' then
    learn_down(opened.lane.sender, sent_at_ms)
    delay(opened.lane, opened.row, until_ms, 'rate')
  else
    close_gate(opened, gate, until_ms)
    put_back(opened.lane, opened.row)
  end
end

local function strike(lane)
  local pair = lane.sender .. '|' .. lane.template
  some_strikes = true
  now_has('strikes')
  if call('HINCRBY', tag .. 'strikes', pair, 1) < STRIKES_MAX or lane.template == '' then return end
  now_has('struck')
  if call('SADD', tag .. 'struck', pair) == 1 then tell('template', pair) end
end

local function apply(opened, kind, detail, attempts_max)
  local lane = opened.lane
  if kind == 'A' or kind == 'H' then
    accept(opened, detail, kind == 'H')
    if some_strikes then call('HDEL', tag .. 'strikes', lane.sender .. '|' .. lane.template) end
  elseif kind == 'X' then
    if not opened.doubted then doubt(opened, now) end
  elseif kind == 'N' then
    close(opened, 0)
    put_back(lane, opened.row)
  elseif kind == 'D' then
    defer(opened, detail)
  else
    local code, rest = string.match(detail, '^(%d+)|(%d+)$')
    close(opened, 0)
    if kind == 'R' then return retry(opened, tonumber(code), tonumber(rest), attempts_max) end
    end_open(opened, 'F', 's:failed', 0, 0, tonumber(code), '')
    if rest == '1' then strike(lane) end
  end
end

-- take_as_evidence: an acceptance that comes after its lease proves, and moves nothing backwards.
local function take_as_evidence(job, wamid)
  local sequence = tonumber(string.match(job, '%d+$'))
  local key = done_key(lane_of_job(job).number, sequence)
  flush_ends(keep_ms) -- it may have ended a moment ago, in this very call
  local done = call('HGET', key, sequence)
  if done then
    if #done == 22 then call('HSET', key, sequence, done .. wamid) end
  elseif call('SISMEMBER', tag .. 'repeating', job) == 1 then
    cancel_repeat(job, wamid)
  end
end
