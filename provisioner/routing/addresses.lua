-- Whether a request comes from one of some networks. Comes between carriers.lua and entry.lua. Settings:
--   NETWORKS  a list of {the bytes of a network, how many bits of them count}
--   HOPS      how many proxies in front append to x-forwarded-for
-- An address is what it says byte by byte, so that one that is written otherwise is no other one: 4 bytes, or
-- 16. What is no address is in no network.

local function four(text)
  local found = {text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")}
  if #found ~= 4 then return nil end
  for place, part in ipairs(found) do
    local value = tonumber(part)
    if value > 255 or part ~= tostring(value) then return nil end -- some read 010 as 8
    found[place] = value
  end
  return found
end

-- The bytes of the groups between colons.
local function groups(text)
  local found = {}
  if text == "" then return found end
  for group in (text .. ":"):gmatch("([^:]*):") do
    if not group:match("^%x%x?%x?%x?$") then return nil end
    local value = tonumber(group, 16)
    found[#found + 1], found[#found + 2] = math.floor(value / 256), value % 256
  end
  return found
end

local function six(text)
  local head, quad = text:match("^(.*:)(%d+%.%d+%.%d+%.%d+)$")
  if quad then
    local last = four(quad)
    if not last then return nil end
    text = head .. ("%x:%x"):format(last[1] * 256 + last[2], last[3] * 256 + last[4])
  end
  local left, right = text:match("^(.-)::(.*)$")
  local found, tail = groups(left or text), groups(right or "")
  if not found or not tail then return nil end
  local missing = 16 - #found - #tail
  if missing < 0 or (missing > 0) ~= (left ~= nil) then return nil end
  for _ = 1, missing do found[#found + 1] = 0 end
  for _, value in ipairs(tail) do found[#found + 1] = value end
  return found
end

-- An IPv4 address within IPv6 (::ffff:10.0.0.1) is that IPv4 address.
local function unmapped(bytes)
  for place = 1, 10 do
    if bytes[place] ~= 0 then return bytes end
  end
  if bytes[11] ~= 255 or bytes[12] ~= 255 then return bytes end
  return {bytes[13], bytes[14], bytes[15], bytes[16]}
end

local function bytes_of(text)
  local found = four(text)
  if found then return found end
  found = six(text)
  return found and unmapped(found)
end

local function within(bytes, network, bits)
  if #bytes ~= #network then return false end
  for place = 1, #bytes do
    if bits <= 0 then return true end
    local size = bits >= 8 and 1 or 2 ^ (8 - bits)
    if math.floor(bytes[place] / size) ~= math.floor(network[place] / size) then return false end
    bits = bits - 8
  end
  return true
end

-- Without the port that some write behind it.
local function host_of(text)
  text = trimmed(text)
  return text:match("^%[(.*)%]:?%d*$") or text:match("^([^:]*):%d+$") or text
end

-- What the outermost of our proxies saw; what came past them, as the connection says.
local function client(handle, headers)
  local seen = {}
  for one in ((headers:get("x-forwarded-for") or "") .. ","):gmatch("([^,]*),") do seen[#seen + 1] = one end
  local outermost = HOPS > 0 and seen[#seen - HOPS + 1]
  if outermost and outermost:find("%S") then return host_of(outermost) end
  return host_of(handle:streamInfo():downstreamDirectRemoteAddress())
end

local function inside(handle, headers)
  if #NETWORKS == 0 then return false end
  local bytes = bytes_of(client(handle, headers))
  if not bytes then return false end
  for _, network in ipairs(NETWORKS) do
    if within(bytes, network[1], network[2]) then return true end
  end
  return false
end
