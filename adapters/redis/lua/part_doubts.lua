-- part_doubts: how long a doubt of each category waits for evidence.
--
-- Needs  part_slot. The script says in `doubts_at` after which argument they stand.
-- ARGV[doubts_at + 1]  doubt_ms  of authentication,
-- ARGV[doubts_at + 2]  doubt_ms  of service,
-- ARGV[doubts_at + 3]  doubt_ms  of utility,
-- ARGV[doubts_at + 4]  doubt_ms  and of marketing
local DOUBT_PLACES = { authentication = 1, service = 2, utility = 3, marketing = 4 }
local doubts_at

local function doubt_ms(category) return constant(argv[doubts_at + DOUBT_PLACES[category]]) end
