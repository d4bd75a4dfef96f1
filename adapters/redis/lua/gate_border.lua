-- gate_border: an account does not write to people of countries that Meta closed to it.
--
-- Needs  part_lanes, part_rows.
-- borders  HASH  account -> until_ms|begins of recipients, comma separated; the next country
--                A begin after `!` is not behind the border. The longest begin decides.
-- Mirror of engine/borders.py.
local BORDER_CODE, TO_AT = 130497, 32
local some_borders, borders

local function begin_gate_border()
  some_borders, borders = not off.suppression and meta.has.borders, {}
end

local function read_borders(packed)
  local begins = {}
  for until_ms, list in string.gmatch(packed, '(%d+)|([^;]*)') do
    if tonumber(until_ms) > now then
      for but, begin in string.gmatch(list, '(!?)([^,!]+)') do
        begins[begin] = begins[begin] or but == ''
      end
    end
  end
  return begins
end

-- is_behind: whether a job's recipient lives where its sender's account may not write to.
local function is_behind(lane, row)
  local begins = borders[lane.sender]
  if not begins then
    local waba = call('HGET', tag .. 's:' .. lane.sender, 'waba')
    begins = read_borders(waba and call('HGET', tag .. 'borders', waba) or '')
    borders[lane.sender] = begins
  end
  for length = 5, 2, -1 do
    local side = begins[sub(row, TO_AT + 1, TO_AT + length)]
    if side ~= nil then return side end
  end
  return false
end

-- note_borders: who of a bite is behind a border.
local function note_borders(lane, rows, recipients)
  if not some_borders then return end
  for i, row in ipairs(rows) do
    if is_behind(lane, row) then lane.noted[recipients[i]] = true end
  end
end
