-- part_doubts: how long a doubt of each category waits for evidence.
--
-- ARGV[8]   doubt_ms  of authentication,
-- ARGV[9]   doubt_ms  of service,
-- ARGV[10]  doubt_ms  of utility,
-- ARGV[11]  doubt_ms  and of marketing
local doubts

local function begin_doubts()
  doubts = { authentication = tonumber(argv[8]), service = tonumber(argv[9]),
    utility = tonumber(argv[10]), marketing = tonumber(argv[11]) }
end
