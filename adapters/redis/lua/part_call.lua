-- part_call: where a place has been given back, have the next claim look at those who wait.
--
-- Needs  part_lanes, part_due.
local function call_waiters()
  local scopes = waiting_now()
  for i = 1, #scopes do
    local scope = scopes[i]
    for priority = 0, 3 do
      local ceiling = limit_of(scope)[priority]
      if ceiling < 0 or taken_in(scope) < ceiling then
        local first = call('ZRANGE', tag .. 'wait:' .. scope .. ':' .. priority, 0, 0)[1]
        if first then
          due_sooner(lane_of(tonumber(first)).sender, now)
          break
        end
      end
    end
  end
end
