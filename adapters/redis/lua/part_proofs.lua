-- part_proofs: one proof of a person gives way to another, and the windows are written.
--
-- Needs     part_window.
-- proofs:S  HASH  recipient -> all proven moments, comma separated; only where there are several
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
