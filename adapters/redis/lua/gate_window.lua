-- gate_window: free-form goes only inside the customer service window; inside it nothing counts.
--
-- Needs  part_rows; guard_ms.
-- service  ZSET  sender:recipient -> when the window closes, epoch ms
--
-- The window must stay open for the guard longer: the message is still on its way when we decide.
local some_windows

local function begin_gate_window() some_windows = meta.has.service end

local function in_window(lane, recipient)
  if not some_windows then return false end
  local until_ms = call('ZSCORE', tag .. 'service', lane.sender .. ':' .. recipient)
  return until_ms and tonumber(until_ms) > now + guard_ms or false
end
