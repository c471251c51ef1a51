-- What changes when runs are written. ARGV: ids. Gives a text for each.
local marks = {}
for place = 2, #ARGV do
  local values = get(ARGV[place], 'epoch', 'segments', 'last_sequence', 'state', 'ended_ms')
  marks[#marks + 1] = values[1] and table.concat(values, ' ') or ''
end
return marks
