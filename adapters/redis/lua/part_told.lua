-- part_told: whose jobs a batch of outcomes tells of.
--
-- Needs  part_lanes, part_window.
-- Provides  lanes_at, rests and people: of each place the lane, the rest of the job's name, the
--           recipient; nothing where the job is not open.
local lanes_at, rests, people

local function asked_in(win)
  win.asked = win.asked or {}
  return win.asked
end

-- ask_scores: whose jobs a batch tells of; their scores are read at once, window by window.
local function ask_scores(records, jobs_at)
  lanes_at, rests, people = { unpack(records) }, { unpack(records) }, { unpack(records) }
  local lane, prefix, width, asked = nil, nil, 0, nil
  for i = 1, #records do
    local record = records[i]
    if record then
      local job, recipient = argv[jobs_at + i], sub(record, 13, 20)
      if sub(job, 1, width) ~= prefix then
        lane = lane_of_job(job)
        prefix, asked = lane.prefix, asked_in(window_of(lane))
        width = #prefix
      end
      lanes_at[i], rests[i], people[i] = lane, sub(job, width + 1), recipient
      asked[#asked + 1] = recipient
    end
  end
  for _, win in pairs(windows) do fetch_scores(win, asked_in(win)) end
end
