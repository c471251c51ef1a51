-- How many readers a process has of a run. ARGV: id, process, count.
local id, process = ARGV[2], ARGV[3]
if redis.call('EXISTS', run_key(id)) == 0 then
  return
end
if ARGV[4] ~= '0' then
  redis.call('HSET', run_key(id) .. ':readers', process, ARGV[4])
elseif redis.call('HDEL', run_key(id) .. ':readers', process) == 1 then
  redis.call('HSET', run_key(id), 'read_ms', now)
end
