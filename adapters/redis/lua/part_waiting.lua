-- part_waiting: the scopes in which lanes wait for a place.
--
-- Needs    part_meta, part_kinds.
-- waiting  ZSET  scopes in which lanes wait
local waiting_scopes

local function begin_waiting() waiting_scopes = nil end

-- waiting_now: the scopes in which lanes wait, read once unless one of them changed.
local function waiting_now()
  if not waiting_scopes then
    waiting_scopes = meta.has.waiting and call('ZRANGE', tag .. 'waiting', '0', '-1') or NONE
    if #waiting_scopes == 0 then has_no_more('waiting') end
  end
  return waiting_scopes
end

local function forget_waiting() waiting_scopes = nil end
