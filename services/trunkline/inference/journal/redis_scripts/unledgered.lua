-- Ended runs whose attempts are not in the ledger, oldest first. ARGV: most.
local found = {}
for _, id in ipairs(redis.call('ZRANGE', prefix .. 'unledgered', 0, ARGV[2] - 1)) do
  local its = record(id)
  if its then
    found[#found + 1] = its
  else
    -- Somebody deleted it behind our back.
    redis.call('ZREM', prefix .. 'unledgered', id)
  end
end
return found
