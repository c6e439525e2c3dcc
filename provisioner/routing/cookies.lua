-- Reads the cookies of a request. Follows carriers.lua where a chain is entered.

-- All cookies as one text. Proxies may leave on several lines what came so over HTTP/2, and `get` would put
-- commas between those, which end no cookie.
local function every_cookie(headers)
  if headers:getNumValues("cookie") < 2 then return headers:get("cookie") end
  local lines = {}
  for name, value in pairs(headers) do
    if name == "cookie" then lines[#lines + 1] = value end
  end
  return table.concat(lines, "; ")
end

-- The values of a cookie, in their order, and all others as they stood.
local function cookies(text, name)
  local values, others = {}, {}
  for pair in (text .. ";"):gmatch("([^;]*);") do
    local key, value = pair:match("^%s*([^=%s]+)%s*=(.*)$")
    if key == name then
      values[#values + 1] = trimmed(value)
    elseif pair:find("%S") then
      others[#others + 1] = pair
    end
  end
  return values, others
end
