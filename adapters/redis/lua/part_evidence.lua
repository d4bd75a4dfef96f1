-- part_evidence: what one status proves about a job that is open, and about one that is not ours.
--
-- Needs  part_settle, part_dead, part_repeats, part_receipts, part_ends. Mirror of
--        adapters/memory/receive.py.

-- count_arrival: a delivery that no job here stands for: somebody else's, or a cancelled job's.
local function count_arrival(lane)
  if not receipt.counts or receipt.rank < DELIVERED then return end
  local scope = scope_of(lane and lane.sender or sender_at(receipt.place))
  prove(window(scope), recipient_at(receipt.place), receipt.at_ms)
end

-- settle_open: a status settles a job that is open, or that waits for a repeat.
local function settle_open(record, settled, cancelled)
  local job, failed = job_at(receipt.place), receipt.rank == UNDELIVERED
  if not record then
    if not failed and call('SISMEMBER', tag .. 'repeating', job) == 1 then
      if cancel_repeat(job, wamid_told()) then cancelled[#cancelled + 1] = job end
      read_own_end()
    end
    return
  end
  local opened = parse_open(job, record)
  if not failed then
    accept(opened, wamid_told(), false)
  elseif fence_told() == row_fence(opened.row) then
    local kept = was_reached() and opened.hold > 0 and now or 0
    close(opened, kept)
    keep_dead(opened)
    end_open(opened, 'F', 's:failed', 0, kept, code_told(), '')
  else
    return
  end
  settled[#settled + 1] = job
  read_own_end()
end
