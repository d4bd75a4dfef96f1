-- part_log: what a call decided, as one record of the portfolio's outcome log.
--
-- Needs  part_slot.
-- log  STREAM  one record per chunk enqueued (`enqueued`: lane|first|count) and per call that moved
--              jobs (`moved`: entries of job, kind, + or - (holds a place), recipient 8, moment 6)
--
-- A kind is a letter of settle (A H X N R D F S), or of the other scripts: L lease over, doubted;
-- P to be repeated; U unknown; E expired while it waited behind a gate; C cancelled alone; 1 to 5 a
-- delivery status. Enough to rebuild
-- counts and window.
local logged, now_bytes

local function begin_log() logged, now_bytes = {}, bytes6(now) end

local function note(job, kind, holds, recipient, at_ms)
  local moment = at_ms and bytes6(at_ms) or now_bytes
  logged[#logged + 1] = job .. kind .. (holds and '+' or '-') .. recipient .. moment
end

-- note_told: the same of an entry whose words came packed, its moment apart.
local function note_told(entry, moment)
  local at = #logged
  logged[at + 1], logged[at + 2] = entry, moment
end

local function write_log(entries) call('XADD', tag .. 'log', now_text .. '-*', 'moved', entries) end

local function flush_log()
  if #logged == 0 then return end
  write_log(table.concat(logged))
  logged = {}
end
