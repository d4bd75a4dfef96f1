-- part_proofs: one proof of a person gives way to another, and the windows are written.
--
-- Needs     part_window.
-- proofs:S  HASH  recipient -> all proven moments, comma separated, and f and the latest delivery
--                 that no job stands for; only where there are several, or such a delivery

-- keep_proofs: write a person's proofs and the latest of them; `arrival` is 0 where there is none.
local function keep_proofs(win, recipient, proofs, latest, arrival, packed)
  if arrival > cut then
    proofs[#proofs + 1] = 'f' .. text(arrival)
    latest = max(latest, arrival)
  end
  set_score(win, recipient, latest)
  if #proofs > 1 or arrival > cut then
    call('HSET', win.proofs, recipient, table.concat(proofs, ','))
    win.several, win.is_single[recipient] = true, nil
    now_has('proofs')
  elseif packed then
    call('HDEL', win.proofs, recipient)
  end
end

-- replace: take away one proof `old` (0: none) and add `with` (0: none); `arrived` (or nil) is a
-- delivery no job stands for: only the latest is kept, so the same told again changes nothing.
local function replace(win, recipient, old, with, arrived)
  local score = score_of(win, recipient)
  local packed = has_several(win, recipient) and call('HGET', win.proofs, recipient)
  if not packed and not arrived and (score == old or score <= cut) then
    set_score(win, recipient, with > cut and with or 0)
    return
  end
  local proofs, latest, arrival = {}, 0, arrived or 0
  for kind, moment in string.gmatch((packed or text(score)) .. ',' .. text(with), '(f?)(%d+)') do
    moment = tonumber(moment)
    if kind == 'f' then
      arrival = max(arrival, moment)
    elseif moment == old then
      old = 0
    elseif moment > cut then
      proofs[#proofs + 1] = text(moment)
      latest = max(latest, moment)
    end
  end
  keep_proofs(win, recipient, proofs, latest, arrival, packed)
end

local function flush_window(win)
  local adds, at, removes, last, last_text = win.adds, #win.adds, {}, nil, nil
  for recipient in pairs(win.dirty) do
    local score = win.scores[recipient]
    if score > 0 then
      if score ~= last then last, last_text = score, text(score) end -- most are of one moment
      adds[at + 1], adds[at + 2], at = last_text, recipient, at + 2
    else
      removes[#removes + 1] = recipient
    end
  end
  for i = 1, at, 1000 do call('ZADD', win.key, unpack(adds, i, min(i + 999, at))) end
  if #removes > 0 then call('ZREM', win.key, unpack(removes)) end
  win.adds = {}
  if next(win.dirty) then win.dirty = {} end
end

local function flush_windows()
  for _, win in pairs(windows) do
    if win.adds[1] or next(win.dirty) then flush_window(win) end
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

-- prove: note a delivery that no job stands for.
local function prove(win, recipient, at_ms)
  if at_ms > cut then replace(win, recipient, 0, 0, at_ms) end
end
