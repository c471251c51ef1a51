-- Runs that go on without an owner, and for how many ms, the longest first. ARGV: most.
local gone = {}
for _, process in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'processes', '-inf', now)) do
  local left = lives_until(process)
  for _, id in ipairs(redis.call('SMEMBERS', prefix .. 'owned:' .. process)) do
    -- One that somebody deleted behind our back is nobody's.
    local owned_ms = tonumber(redis.call('HGET', run_key(id), 'owned_ms') or nil)
    if owned_ms then
      gone[#gone + 1] = { math.max(left, owned_ms), id }
    else
      redis.call('SREM', prefix .. 'owned:' .. process, id)
    end
  end
end
table.sort(gone, function(one, other)
  if one[1] == other[1] then
    return one[2] < other[2]
  end
  return one[1] < other[1]
end)
local found = {}
for place = 1, math.min(#gone, tonumber(ARGV[2])) do
  found[place] = { record(gone[place][2]), now - gone[place][1] }
end
return found
