-- part_doubts: how long a doubt of each category waits for evidence.
--
-- ARGV[8]   doubt_ms  of authentication,
-- ARGV[9]   doubt_ms  of service,
-- ARGV[10]  doubt_ms  of utility,
-- ARGV[11]  doubt_ms  and of marketing
local doubts = { authentication = tonumber(ARGV[8]), service = tonumber(ARGV[9]),
  utility = tonumber(ARGV[10]), marketing = tonumber(ARGV[11]) }
