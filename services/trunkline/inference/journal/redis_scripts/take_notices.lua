-- Runs of which processes have not heard yet. ARGV: processes.
local found = {}
for place = 2, #ARGV do
  local notices = prefix .. 'notices:' .. ARGV[place]
  for _, id in ipairs(redis.call('SMEMBERS', notices)) do
    found[#found + 1] = id
  end
  redis.call('DEL', notices)
end
return found
