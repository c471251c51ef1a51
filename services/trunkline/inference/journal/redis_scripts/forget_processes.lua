-- Forget processes that are gone for long and own nothing that goes on. ARGV: ms.
local before = now - tonumber(ARGV[2])
for _, process in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'processes', '-inf', before)) do
  if redis.call('EXISTS', prefix .. 'owned:' .. process) == 0 then
    redis.call('ZREM', prefix .. 'processes', process)
    redis.call('SREM', prefix .. 'retired', process)
    redis.call('DEL', prefix .. 'notices:' .. process)
  end
end
