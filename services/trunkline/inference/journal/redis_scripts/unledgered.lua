-- Ended runs whose attempts are not in the ledger, oldest first. ARGV: most.
local found = {}
for _, id in ipairs(redis.call('ZRANGE', prefix .. 'unledgered', 0, ARGV[2] - 1)) do
  found[#found + 1] = record(id)
end
return found
