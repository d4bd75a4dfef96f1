-- part_cancel: all jobs that wait in a lane end as cancelled, however many they are.
--
-- Needs  part_rest, part_books.

-- cancel_waiting: empty a lane; returns how many jobs that ended. Those kept aside end when their
-- time comes.
local function cancel_waiting(lane)
  leave_ring(lane)
  leave_wait(lane)
  local waiting = call('LLEN', lane.queue) + call('LLEN', lane.parked) - lane.ghosts
  call('UNLINK', lane.queue, lane.parked)
  lane.ghosts = 0
  call('HSET', lane.key, 'ghosts', 0)
  count(lane.source, 's:cancelled', waiting)
  meta.ended = meta.ended + waiting
  return waiting
end
