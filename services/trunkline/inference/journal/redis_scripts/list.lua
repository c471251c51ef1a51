-- A part of a list of runs, newest first. ARGV: the set to look in, smaller ids than this or '',
-- principal or '', whether the user counts, user, state or '', most, most to look at.
-- Gives the records, and the last id looked at; '': there are no more.
local name, before, principal, by_user, user, state = unpack(ARGV, 2, 7)
local most, looks = tonumber(ARGV[8]), tonumber(ARGV[9])
local from = before == '' and '+' or '(' .. before
local looked = redis.call('ZREVRANGEBYLEX', prefix .. name, from, '-', 'LIMIT', 0, looks)
local found = {}
for _, id in ipairs(looked) do
  local its_principal, its_user, its_state = unpack(get(id, 'principal', 'on_behalf_of', 'state'))
  if its_principal
    and (principal == '' or principal == its_principal)
    and (by_user == '0' or user == its_user)
    and (state == '' or state == its_state)
  then
    found[#found + 1] = record(id, true)
    if #found == most then
      return { found, id }
    end
  end
end
return { found, #looked == looks and looked[#looked] or '' }
