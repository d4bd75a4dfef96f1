-- gate_quota: a new person needs a free place; a counted one needs none, but prolongs a debt.
--
-- Needs  part_window, part_due, gate_window. Mirror of engine/quota.py, may_enter.
local function is_free(scope, priority)
  if off.quota then return true end
  local ceiling = limit_of(scope)[priority]
  return ceiling < 0 or taken_in(scope) < ceiling
end

local function has_place(lane, recipient)
  if off.quota or in_window(lane, recipient) then return true end
  local limit, win = limit_of(lane.scope), lane.win
  if limit.places < 0 then return true end
  local taken = used_of(win) + limit.before
  if win.scores[recipient] > cut then return taken <= limit.places or lane.priority <= 1 end
  return taken < limit[lane.priority]
end
