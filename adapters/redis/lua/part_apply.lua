-- part_apply: each outcome is applied to its job; a late one is taken as evidence.
--
-- Needs  part_outcomes, part_dead.
local function retry(opened, code, until_ms)
  local row = with_failures(opened.row, byte(opened.row, 16) + 1)
  opened.row = row
  local expires_ms = row_expires(opened.lane, row)
  if byte(row, 16) >= attempts_max or expires_ms > 0 and until_ms >= expires_ms then
    keep_dead(opened)
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
    delay(opened.lane, opened.row, close_pair(opened, until_ms), 'pair')
  elseif gate == 'rate' then
    learn_down(opened.lane.sender, sent_at_ms)
    delay(opened.lane, opened.row, until_ms, 'rate')
  elseif gate == 'retry' then
    delay(opened.lane, opened.row, until_ms, 'retry')
  else
    close_gate(opened, gate, until_ms)
    put_back(opened.lane, opened.row)
  end
end

local function strike(lane)
  local pair = lane.sender .. '|' .. lane.template
  some_strikes, unstruck[pair] = true, nil
  now_has('strikes')
  if call('HINCRBY', tag .. 'strikes', pair, 1) < STRIKES_MAX or lane.template == '' then return end
  now_has('struck')
  if call('SADD', tag .. 'struck', pair) == 1 then tell('template', pair) end
end

local function apply(opened, kind, detail)
  local lane = opened.lane
  if kind == 'A' or kind == 'H' then
    accept(opened, detail, kind == 'H')
    unstrike(lane)
  elseif kind == 'X' then
    if not opened.doubted then doubt(opened, now) end
  elseif kind == 'N' then
    close(opened, 0)
    put_back(lane, opened.row)
  elseif kind == 'D' then
    defer(opened, detail)
  elseif kind == 'S' then
    close(opened, 0)
    end_open(opened, 'S', 's:suppressed', 0, 0, tonumber(detail), '')
  else
    local code, rest, misfit = string.match(detail, '^(%d+)|(%d+)(.*)$')
    close(opened, 0)
    if kind == 'R' then return retry(opened, tonumber(code), tonumber(rest)) end
    keep_dead(opened)
    end_open(opened, 'F', 's:failed', 0, 0, tonumber(code), misfit)
    disprove_window(tonumber(code), lane, opened.recipient, now)
    if rest == '1' then strike(lane) end
  end
end
