-- How many readers a process has of a run. ARGV: id, process, count.
local id, process = ARGV[2], ARGV[3]
local owner = get(id, 'process_id')[1]
if not owner then
  return
end
local has_changed
if ARGV[4] ~= '0' then
  has_changed = redis.call('HSET', run_key(id) .. ':readers', process, ARGV[4]) == 1
else
  has_changed = redis.call('HDEL', run_key(id) .. ':readers', process) == 1
  if has_changed then
    redis.call('HSET', run_key(id), 'read_ms', now)
  end
end
if has_changed and process ~= owner then
  leave_notice(owner, id)
end
