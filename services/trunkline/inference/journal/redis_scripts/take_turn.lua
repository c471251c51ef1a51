-- Take or keep a lease on work of the fleet. ARGV: name, process, ms. Gives 0 when another has it.
local held = redis.call('HGET', prefix .. 'turns', ARGV[2])
if held then
  local process, ends = string.match(held, '^(.*)%z(%d+)$')
  if process ~= ARGV[3] and tonumber(ends) > now then
    return 0
  end
end
redis.call('HSET', prefix .. 'turns', ARGV[2], ARGV[3] .. '\0' .. (now + tonumber(ARGV[4])))
return 1
