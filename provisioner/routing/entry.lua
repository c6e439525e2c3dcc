-- Which lane a request may be in where its chain is entered, as provisioner/routing/entry.py decides it. Follows
-- carriers.lua, cookies.lua and addresses.lua, and takes the place of the first one's envoy_on_request. Settings:
--   SERVICE   the entry's name                        CHAIN      the chain's
--   COOKIE    the unsigned cookie; "" for none        LINK       the parameter of signed links; "" for none
--   TICKET    the cookie that a link sets             SECURE     what else that cookie says of itself
--   TRUST     header, signed or none                  FORBIDDEN  whether the others get 403
--   KEYS      whether signatures can be checked at all
--   ALIASES   other names that applications take for the header's
-- Signatures are checked by Envoy's own filter before this one, which leaves a token's claims in the request's
-- metadata, under LINKED or TICKETED.

local JWT = "envoy.filters.http.jwt_authn"
local LINKED, TICKETED, FAILED = "link", "ticket", "_failed"
local TOKEN = "^[%w_-]+%.[%w_-]+%.[%w_-]*$"
local NO_TOKEN = "[^%w!#$%%&'*.^_`|~-]" -- what no baggage key of ours has, and parsers trim or decode to blanks
local PARAMETER = LINK:gsub("%-", "%%-")

local function checked(handle)
  return handle:streamInfo():dynamicMetadata():get(JWT) or {}
end

-- The lane of a token whose signature, chain and time are right.
local function lane_of(handle, place)
  local claims = checked(handle)[place]
  return claims and type(claims.lane) == "string" and lane_name(claims.lane) or nil, claims
end

-- The first lane that an unsigned cookie names.
local function from_cookie(text)
  if COOKIE == "" or not text or not text:find(COOKIE, 1, true) then return nil end
  for _, value in ipairs((cookies(text, COOKIE))) do
    if lane_name(value) then return value end
  end
  return nil
end

-- The lane of the cookie that a link set. No application gets to see it: whoever holds it may enter.
local function from_ticket(handle, headers, text)
  if LINK == "" or not text or not text:find(TICKET, 1, true) then return nil end
  local values, others = cookies(text, TICKET)
  if #values == 0 then return nil end
  if #others == 0 then
    headers:remove("cookie")
  else
    headers:replace("cookie", (table.concat(others, ";"):gsub("^%s+", "")))
  end
  return (lane_of(handle, TICKETED))
end

-- The parameter's value, the first of several, which is the one whose signature was checked.
local function parameter(path)
  local query = path:match("%?(.*)$")
  return query and ("&" .. query):match("&" .. PARAMETER .. "=([^&]*)")
end

-- A path without that parameter.
local function without_token(path)
  local target, query = path:match("^([^?]*)%?(.*)$")
  local kept = {}
  for pair in (query .. "&"):gmatch("([^&]*)&") do
    if not pair:find("^" .. PARAMETER .. "=") then kept[#kept + 1] = pair end
  end
  return target .. (#kept > 0 and "?" .. table.concat(kept, "&") or "")
end

-- A path as a place to go to. It cannot lead to another host, which two slashes would.
local function location(path)
  return path:find("^/[/\\]") and "/." .. path or path
end

local function refuse(handle, status, text)
  handle:respond({
    [":status"] = status,
    ["content-type"] = "text/plain; charset=utf-8",
    ["cache-control"] = "no-store",
    ["retry-after"] = status == "503" and "5" or nil,
    [HEADER .. "-served"] = SERVICE .. "=none",
  }, text)
end

-- Sends the browser to the same place without the token, which it keeps as a cookie from now on.
local function redirect(handle, path, value, seconds)
  handle:respond({
    [":status"] = "302",
    ["location"] = location(path),
    ["set-cookie"] = TICKET .. "=" .. value .. "; Path=/; Max-Age=" .. seconds .. "; HttpOnly; SameSite=Lax" .. SECURE,
    ["cache-control"] = "no-store",
    ["referrer-policy"] = "no-referrer",
  }, "")
end

local function why_not(handle)
  if not KEYS then
    return "503", "Links to previews cannot be checked at the moment. Try again in a few seconds.\n"
  end
  local failure = checked(handle)[LINKED .. FAILED]
  local expired = failure and tostring(failure.message):find("expired", 1, true)
  local wrong = expired and "has expired" or "is not valid here"
  return "403", "This link to a preview " .. wrong .. ". Ask for a new one: laneway link " .. CHAIN .. " LANE\n"
end

-- The lane of the link that was followed, if one was; and whether the request is answered by that.
local function from_link(handle, headers)
  local path = LINK ~= "" and headers:get(":path")
  local value = path and parameter(path)
  if not value then return nil, false end
  local method = headers:get(":method")
  local browsing = (method == "GET" or method == "HEAD") and not headers:get("upgrade")
  if value == "off" and browsing and (every_cookie(headers) or ""):find(TICKET .. "=", 1, true) then
    redirect(handle, without_token(path), "", 0)
    return nil, true
  end
  if not value:find(TOKEN) then return nil, false end
  local lane, claims = lane_of(handle, LINKED)
  if not lane then
    refuse(handle, why_not(handle))
    return nil, true
  end
  if browsing then
    redirect(handle, without_token(path), value, math.max(0, claims.exp - os.time()))
    return nil, true
  end
  headers:replace(":path", without_token(path))
  return lane, false
end

-- Whether `clean` would find anything. Most requests have none of it, and this is all that they pay.
local function says_something(headers, tagged, baggage)
  if tagged or baggage and (baggage:find(KEY, 1, true) or baggage:find("%", 1, true)) then return true end
  for place = 1, #ALIASES do
    if headers:get(ALIASES[place]) then return true end
  end
  return false
end

-- Takes away what an application could take for a lane, however it is spelled, and gives what is left of the
-- baggage.
local function clean(headers, baggage)
  headers:remove(HEADER)
  for _, name in ipairs(ALIASES) do headers:remove(name) end
  if not baggage then return nil end
  local kept, gone = {}, false
  for member in (baggage .. ","):gmatch("([^,]*),") do
    local key = decode(member:match("^[^=;]*")):gsub(NO_TOKEN, "")
    if key == KEY then gone = true else kept[#kept + 1] = member end
  end
  if not gone then return baggage end
  local rest = table.concat(kept, ",")
  if rest:find("[^,%s]") then headers:replace("baggage", rest) else headers:remove("baggage") end
  return rest
end

local function forbid(handle, lane)
  local how = TRUST == "signed" and " Ask for a link: laneway link " .. CHAIN .. " " .. lane or ""
  refuse(handle, "403", "The previews of " .. CHAIN .. " are not open to everyone." .. how .. "\n")
end

local function decide(handle, headers)
  local link, answered = from_link(handle, headers)
  if answered then return end
  local text = every_cookie(headers)
  link = link or from_ticket(handle, headers, text)
  local tagged, baggage, member, ours, others = carried(headers)
  local named = lane_name(tagged) or member or link or from_cookie(text) or from_host(headers:get(":authority"))
  if not named and (TRUST == "header" or not says_something(headers, tagged, baggage)) then return end
  if TRUST == "header" or inside(handle, headers) then
    if named then enter(handle, headers, named, tagged, baggage, member, ours, others) end
    return
  end
  local lane = TRUST == "signed" and link or nil
  if named and not lane and FORBIDDEN then return forbid(handle, named) end
  baggage = clean(headers, baggage)
  if lane then enter(handle, headers, lane, nil, baggage, nil, 0, nil) end
end

-- Should something above be wrong, Envoy would let the request pass as it came; it must not.
function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(TARGET) then headers:remove(TARGET) end
  local fine, problem = pcall(decide, handle, headers)
  if fine then return end
  handle:logErr(problem)
  headers:remove(TARGET)
  clean(headers, headers:get("baggage"))
end
