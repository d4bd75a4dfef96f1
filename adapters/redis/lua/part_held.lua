-- part_held: while the webhooks of a sender are silent, what it sent in doubt is not repeated.
--
-- Needs  part_settle,, part_silence.
--
-- That nothing was heard of a message says something only while webhooks flow, and for as long as
-- they do: after a silence a doubt has all of its time once more. Login codes do not wait: the same
-- code twice harms nobody. Mirror of adapters/memory/rescue.py.
local SILENT_LOOK_MS, HELD_MS = 15000, 3600000
local heard

local function begin_held() heard = {} end

local function is_over(opened)
  local expires_ms = row_expires(opened.lane, opened.row)
  return expires_ms > 0 and expires_ms <= now or is_cancelled(opened.lane, row_sequence(opened.row))
end

-- repeat_from: from when on a lane's doubts may be repeated.
local function repeat_from(lane)
  local category = category_of(lane)
  if category == 'authentication' then return 0 end
  heard[lane.sender] = heard[lane.sender]
    or call('HMGET', tag .. 's:' .. lane.sender, 'silent', 'spoke')
  local silent, spoke = unpack(heard[lane.sender])
  if silent == '1' then return now + SILENT_LOOK_MS end
  return spoke and tonumber(spoke) + doubt_ms(category) or 0
end

-- hold: look at a doubt again later; whether there is time left for that.
local function hold(opened, until_ms)
  local last_ms = opened.since + HELD_MS
  if last_ms <= now then return false end
  call('ZADD', tag .. 'doubts', min(until_ms, last_ms), opened.job)
  forget_first('doubts')
  return true
end
