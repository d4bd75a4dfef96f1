-- part_window: who counts in a rolling window, with a cache so that a batch reads and writes once.
--
-- Needs     part_slot; span_ms (how long a person counts), named by the script before it.
-- win:S     ZSET  recipient -> latest proven moment, epoch ms         (S: scope, empty: portfolio)
-- proofs:S  HASH  recipient -> all proven moments, comma separated; only where there are several
--
-- Provides  scope_of(sender), score_of, counts, replace, used_of, frees_at, flush_windows.
--
-- Half open: a score exactly span_ms ago no longer counts. Taking one proof away restores exactly
-- what the others prove (ADR 0003). Mirror of engine/quota.py, class Window.
local cut, windows

local function begin_window() cut, windows = now - span_ms, {} end

local function scope_of(sender)
  if meta.policy.by_number then return sender end
  return ''
end

local function window(scope)
  local found = windows[scope]
  if not found then
    found = { key = tag .. 'win:' .. scope, proofs = tag .. 'proofs:' .. scope,
      scores = {}, dirty = {}, adds = {}, is_single = {},
      several = meta.has.proofs }
    windows[scope] = found
  end
  return found
end

-- fetch_scores: the scores of several people, and who of them has no more than one proof.
local function fetch_scores(win, recipients)
  if #recipients == 0 then return end
  local known, scores = win.scores, call('ZMSCORE', win.key, unpack(recipients))
  local last, value = false, 0 -- many are of one moment, or of none
  for i = 1, #recipients do
    local recipient, score = recipients[i], scores[i]
    if score ~= last then last, value = score, tonumber(score or 0) end
    if not known[recipient] then known[recipient] = value end
  end
  if not win.several then return end
  local packed = call('HMGET', win.proofs, unpack(recipients))
  for i, recipient in ipairs(recipients) do win.is_single[recipient] = not packed[i] end
end

-- has_several: whether a person may have more than one proof.
local function has_several(win, recipient) return win.several and not win.is_single[recipient] end

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
