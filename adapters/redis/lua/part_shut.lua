-- part_shut: what of a sender or an account is shut: set, over, and the lanes that wake then.
--
-- Needs  part_meta, part_sources, part_rest.
-- openings  ZSET  also `shut|sender|S|category`, `shut|account|W|category` -> when that opens
--
-- Mirror of adapters/memory/shut.py.
local ALL_OPEN = '0|0|0|0'
local CATEGORIES = { 'authentication', 'service', 'utility', 'marketing' }

local function write_shut(holder, shut)
  new_facts()
  local moments, any = {}, false
  for i, category in ipairs(CATEGORIES) do
    moments[i] = text(shut[category])
    any = any or shut[category] > 0
  end
  if any then
    call('HSET', tag .. 'shut', holder, table.concat(moments, '|'))
    return now_has('shut')
  end
  call('HDEL', tag .. 'shut', holder)
  if call('EXISTS', tag .. 'shut') == 0 then has_no_more('shut') end
end

-- put_shut: set what is shut from now on; lanes of what opens wake.
local function put_shut(gate, name, packed)
  local holder, shut = gate .. '|' .. name, read_shut(packed)
  local before = call('HGET', tag .. 'shut', holder)
  if not before and packed == ALL_OPEN then return end
  local known = read_shut(before)
  for _, category in ipairs(CATEGORIES) do
    if shut[category] <= now then shut[category] = 0 end
  end
  write_shut(holder, shut)
  for _, category in ipairs(CATEGORIES) do
    local until_ms, opening = shut[category], 'shut|' .. holder .. '|' .. category
    if until_ms > 0 and until_ms < FOREVER then
      call('ZADD', tag .. 'openings', text(until_ms), opening)
      now_has('openings')
    elseif known[category] > 0 then
      call('ZREM', tag .. 'openings', opening)
    end
    if known[category] > 0 and until_ms == 0 then open_gate(gate, name .. '|' .. category) end
  end
end

-- end_shut: open a category whose time is over, by its name among the openings.
local function end_shut(opening)
  local gate, name, category = string.match(opening, '^shut|(%a+)|(.*)|(%a+)$')
  local holder = gate .. '|' .. name
  local shut = read_shut(call('HGET', tag .. 'shut', holder))
  shut[category] = 0
  write_shut(holder, shut)
  open_gate(gate, name .. '|' .. category)
end

-- open_category: wake all lanes that sleep as of a category: some may be of another by now.
local function open_category(category)
  if not meta.has.shut then return end
  local holders = call('HKEYS', tag .. 'shut')
  table.sort(holders)
  for _, holder in ipairs(holders) do
    local bar = find(holder, '|', 1, true)
    open_gate(sub(holder, 1, bar - 1), sub(holder, bar + 1) .. '|' .. category)
  end
end

-- move_account: a sender is of another account: lanes that sleep behind the old one wake.
local function move_account(old, new)
  if old == new or not meta.has.shut then return end
  new_facts()
  for _, category in ipairs(CATEGORIES) do
    if old then open_gate('account', old .. '|' .. category) end
  end
end
