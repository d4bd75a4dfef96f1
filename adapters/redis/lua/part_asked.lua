-- part_asked: what else a batch of receipts needs to know, read at once.
--
-- Needs     part_slot, part_lanes, part_window, part_receipts, part_ends.
-- Provides  opens, of each place the record of an open job that has not ended; people, of each
--           place of whose score was asked.
local UNDELIVERED, DELIVERED = 3, 4
local opens, people

local function begin_asked() opens = {} end

local function ask_score(i, lane, recipient)
  local win = lane and lane.win
  if not win then
    win = lane and lane.sender and window_of(lane) or window(scope_of(sender_at(i)))
  end
  local asked = win.asked
  if not asked then
    asked = {}
    win.asked = asked
  end
  asked[#asked + 1], people[i] = recipient, recipient
end

-- read_asked: the records of jobs that have not ended, and the scores of all that may move.
local function read_asked(count)
  local jobs, places, told, names, lanes = {}, {}, buckets_told, sequences, lanes_told
  people = array(count)
  for i = 1, count do
    local bucket = told[i]
    local ended = bucket and bucket.ends[names[i]]
    if ended then
      local rank = byte(receipts, ranks[i]) - 48
      if rank >= UNDELIVERED and (rank < READ or not was_counted(rank, ended)) then
        ask_score(i, lanes[i], sub(ended, 11, 18))
      end
    else
      ask_score(i, lanes[i], recipient_at(i))
      if bucket then
        places[#places + 1] = i
        jobs[#places] = job_at(i)
      end
    end
  end
  if #jobs > 0 then
    local found = call('HMGET', tag .. 'open', unpack(jobs))
    for at, i in ipairs(places) do opens[i] = found[at] end
  end
  for _, win in pairs(windows) do
    if win.asked then fetch_scores(win, win.asked) end
  end
end
