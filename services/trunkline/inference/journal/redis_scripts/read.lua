-- Segments of a run after a sequence. ARGV: id, sequence, bytes.
local AT_ONCE = 16
local journal = run_key(ARGV[2]) .. ':journal'
local from, room = ARGV[3] .. '-18446744073709551615', tonumber(ARGV[4])
local parts = {}
while true do
  local some = redis.call('XRANGE', journal, '(' .. from, '+', 'COUNT', AT_ONCE)
  for _, entry in ipairs(some) do
    local fields = entry[2]
    room = room - #fields[8]
    if #parts > 0 and room < 0 then
      return parts
    end
    parts[#parts + 1] = { fields[2], fields[4], fields[6], fields[8] }
    from = entry[1]
  end
  if #some < AT_ONCE or room <= 0 then
    return parts
  end
end
