-- quota_read: a window's account at this moment.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_due
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  scope   a sender, where each has its own window; else the portfolio's is meant
--
-- Returns  { places, used, reserved, frees_ms }
--
-- reserved counts open jobs that hold a place; where each number has its own window, only its own.
local scope = meta.policy.by_number and argv[3] or ''
local limit, win, reserved = limit_of(scope), window(scope), 0
local cursor = '0'
repeat
  local page = call('HSCAN', tag .. 'open', cursor, 'COUNT', 500)
  cursor = page[1]
  for i = 1, #page[2], 2 do
    local record = page[2][i + 1]
    local holds = find(record, '^[FD]') ~= nil
    if holds and meta.policy.by_number then
      local number = string.match(page[2][i], '^%d+')
      holds = scope_of(call('HGET', tag .. 'lane:' .. number, 'sender')) == scope
    end
    if holds then reserved = reserved + 1 end
  end
until cursor == '0'
local frees_ms = limit.places >= 0 and frees_at(win, limit.places - limit.before) or FOREVER
return { limit.places, used_of(win) + limit.before, reserved, frees_ms }
