-- A process lives no longer, and said so. ARGV: process.
local process = ARGV[2]
redis.call('ZADD', prefix .. 'processes', now, process)
redis.call('SADD', prefix .. 'retired', process)
redis.call('DEL', prefix .. 'notices:' .. process)
local turns = redis.call('HGETALL', prefix .. 'turns')
for place = 1, #turns, 2 do
  if string.match(turns[place + 1], '^(.*)%z') == process then
    redis.call('HDEL', prefix .. 'turns', turns[place])
  end
end
