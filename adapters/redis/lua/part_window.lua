-- part_window: who counts in a rolling window, with a cache so that a batch reads and writes once.
--
-- Needs     part_slot; span_ms (how long a person counts), named by the script before it.
-- win:S     ZSET  recipient -> latest proven moment, epoch ms         (S: scope, empty: portfolio)
-- proofs:S  HASH  recipient -> all proven moments, comma separated; only where there are several
--
-- Provides  scope_of(sender), score_of, counts, replace, used_of, frees_at, flush_windows.
--
-- Half open: a score exactly span_ms ago no longer counts. Taking one proof away restores exactly
-- what the others prove (DESIGN section 5). Mirror of engine/quota.py, class Window.
local cut, windows

local function begin_window() cut, windows = now - span_ms, {} end

local function scope_of(sender)
  if meta.by_number == 1 then return sender end
  return ''
end

local function window(scope)
  local found = windows[scope]
  if not found then
    found = { key = tag .. 'win:' .. scope, proofs = tag .. 'proofs:' .. scope,
      scores = {}, dirty = {}, used = nil }
    found.several = meta.has.proofs
    windows[scope] = found
  end
  return found
end

local function fetch_scores(win, recipients)
  if #recipients == 0 then return end
  local scores = call('ZMSCORE', win.key, unpack(recipients))
  for i, recipient in ipairs(recipients) do
    if not win.scores[recipient] then win.scores[recipient] = tonumber(scores[i] or 0) end
  end
end

local function score_of(win, recipient)
  local score = win.scores[recipient]
  if not score then
    score = tonumber(call('ZSCORE', win.key, recipient) or 0)
    win.scores[recipient] = score
  end
  return score
end

local function used_of(win)
  if not win.used then win.used = call('ZCOUNT', win.key, '(' .. text(cut), '+inf') end
  return win.used
end

local function set_score(win, recipient, score)
  local before = win.scores[recipient]
  if before == score then return end
  if win.used then
    if before <= cut and score > cut then win.used = win.used + 1 end
    if before > cut and score <= cut then win.used = win.used - 1 end
  end
  win.scores[recipient] = score
  win.dirty[recipient] = true
end

-- replace: take away one proof `old` (0: none) and add `with` (0: none).
local function replace(win, recipient, old, with)
  local score = win.scores[recipient] or score_of(win, recipient)
  local packed = win.several and call('HGET', win.proofs, recipient)
  if not packed and (score == old or score <= cut) then
    set_score(win, recipient, with > cut and with or 0)
    return
  end
  local proofs, latest = {}, 0
  for moment in string.gmatch((packed or text(score)) .. ',' .. text(with), '%d+') do
    moment = tonumber(moment)
    if moment == old then
      old = 0
    elseif moment > cut then
      proofs[#proofs + 1] = text(moment)
      latest = max(latest, moment)
    end
  end
  set_score(win, recipient, latest)
  if #proofs > 1 then
    call('HSET', win.proofs, recipient, table.concat(proofs, ','))
    win.several = true
    now_has('proofs')
  elseif packed then
    call('HDEL', win.proofs, recipient)
  end
end

local function flush_windows()
  for _, win in pairs(windows) do
    local adds, removes = {}, {}
    for recipient in pairs(win.dirty) do
      local score = win.scores[recipient]
      if score > 0 then
        local at = #adds
        adds[at + 1], adds[at + 2] = score, recipient
      else
        removes[#removes + 1] = recipient
      end
    end
    for i = 1, #adds, 1000 do call('ZADD', win.key, unpack(adds, i, min(i + 999, #adds))) end
    if #removes > 0 then call('ZREM', win.key, unpack(removes)) end
    win.dirty = {}
  end
end

-- frees_at: when fewer than `places` will count if nothing else happens; nil: already, or never.
local function frees_at(win, places)
  local excess = used_of(win) - places
  if excess < 0 or places <= 0 then return nil end
  flush_windows()
  local rank = call('ZCARD', win.key) - used_of(win) + excess
  local holder = call('ZRANGE', win.key, rank, rank, 'WITHSCORES')
  return tonumber(holder[2]) + span_ms
end
