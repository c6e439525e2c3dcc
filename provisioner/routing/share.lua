-- Puts some of the requests without a lane into that of a release, as provisioner/routing/share.py says which.
-- Comes last where a chain is entered, after what decides about lanes, and is run while a release is. All that
-- changes then is what the route says in the filter's context, as `share`:
--   release, lane   its names                      start, taken      its first bucket, and how many there are
--   header, cookie  what tells users apart         attributes        what follows the cookie's value
--   audience        {header, value}, of requests that are in it anyhow; fans {cookie, value}
-- The route reads in the request's metadata, under RELEASE, what was decided.

local bit = require("bit")
local RELEASE, BUCKETS = "laneway", 10000
local decided = envoy_on_request

local function oaat(text)
  local hash = 0
  for place = 1, #text do
    hash = bit.tobit(hash + text:byte(place))
    hash = bit.tobit(hash + bit.lshift(hash, 10))
    hash = bit.bxor(hash, bit.rshift(hash, 6))
  end
  hash = bit.tobit(hash + bit.lshift(hash, 3))
  hash = bit.bxor(hash, bit.rshift(hash, 11))
  return bit.tobit(hash + bit.lshift(hash, 15)) % 4294967296
end

-- By lot. Each worker has a state of its own, and each would begin with the same numbers: it begins with where
-- its memory is, when it is, and who asked first instead.
local seeded = false
local function drawn(handle)
  if not seeded then
    local client = handle:streamInfo():downstreamRemoteAddress()
    math.randomseed(oaat(tostring({}) .. os.time() .. os.clock() .. client))
    seeded = true
  end
  return math.random(0, BUCKETS - 1)
end

-- The values of a cookie, in their order; none where there is none.
local function values(text, name)
  if not text or not text:find(name, 1, true) then return {} end
  return (cookies(text, name))
end

local function kept(text, name)
  local value = values(text, name)[1]
  return value and (value == "0" or value:find("^[1-9]%d?%d?%d?$")) and tonumber(value) or nil
end

local function bucket(handle, headers, share)
  local user = share.header and headers:get(share.header)
  if user and user ~= "" then return oaat(user) % BUCKETS end
  local found = share.cookie and kept(every_cookie(headers), share.cookie)
  if found then return found end
  found = drawn(handle)
  if share.cookie then
    local text = ("%s=%d%s"):format(share.cookie, found, share.attributes)
    handle:streamInfo():dynamicMetadata():set(RELEASE, "cookie", text)
  end
  return found
end

local function invited(headers, share)
  local by, fans = share.audience, share.fans
  if by and headers:get(by.header) == by.value then return true end
  for _, value in ipairs(fans and values(every_cookie(headers), fans.cookie) or {}) do
    if value == fans.value then return true end
  end
  return false
end

function envoy_on_request(handle)
  decided(handle)
  local headers = handle:headers()
  if headers:get(TARGET) then return end
  local share = handle:filterContext():get("share")
  if invited(headers, share) or (bucket(handle, headers, share) - share.start) % BUCKETS < share.taken then
    enter(handle, headers, share.lane, carried(headers))
    handle:streamInfo():dynamicMetadata():set(RELEASE, "release", share.release)
  end
end
