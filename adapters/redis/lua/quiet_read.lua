-- quiet_read: the zones of a source, how many jobs stand in each, and when it opens.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  source  its name
--
-- Returns  { zone, jobs, held, opens_ms, senders, ... } by name
--   jobs      queued or parked in lanes of the zone, without ghosts
--   held      those of them in lanes behind quiet hours
--   opens_ms  when it opens; 0 while it is open, FOREVER where nobody has told
--   senders   sender, its jobs, ...
local source, jobs, held, senders, flat = argv[3], {}, {}, {}, {}
local is_quiet = call('HGET', tag .. 'src:' .. source, 'quiet') == '1'
for _, number in ipairs(call('LRANGE', tag .. 'lanes_of:' .. source, 0, -1)) do
  local lane = lane_of(tonumber(number))
  local zone = lane.zone
  local queued, parked = without_ghosts(lane, call('LLEN', lane.queue), call('LLEN', lane.parked))
  jobs[zone] = (jobs[zone] or 0) + queued + parked
  if queued + parked > 0 then
    local its = senders[zone] or {}
    senders[zone], its[lane.sender] = its, (its[lane.sender] or 0) + queued + parked
  end
  if closed_gate(lane) == 'schedule' then held[zone] = (held[zone] or 0) + queued + parked end
end
for _, zone in ipairs(zones_known(source)) do
  local calendar = call('HGET', tag .. 'quiet:' .. source, zone)
  local at = #flat
  flat[at + 1], flat[at + 2], flat[at + 3] = zone, jobs[zone] or 0, held[zone] or 0
  flat[at + 4], flat[at + 5] = is_quiet and opens_at(calendar) or 0, {}
  for name, its_jobs in pairs(senders[zone] or {}) do
    local its = flat[at + 5]
    its[#its + 1], its[#its + 2] = name, its_jobs
  end
end
return flat
