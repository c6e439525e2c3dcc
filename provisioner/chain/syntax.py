"""What the texts of a chain file must look like: one check each. Pure.

A check returns what is wrong with a text and what to write instead, or an empty string when it is right.
"""

from __future__ import annotations

import ipaddress
import re
import string
from urllib.parse import urlsplit

from provisioner import names
from provisioner.chain import globs
from provisioner.changes import PLACEHOLDERS

# A lane's and a chain's name, joined by a dot, and `laneway-router-CHAIN` have to stay valid names.
CHAIN_LIMIT = 40

# RFC 9110, section 5.6.2: what a header's name may consist of; baggage keys (W3C) are the same
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
# headers with a meaning of their own, which a lane's name in them would break
_TAKEN_HEADERS = frozenset(
    {
        *("authorization", "baggage", "connection", "content-length", "content-type", "cookie", "host"),
        *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-laneway-cluster"),
        *("keep-alive", "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade"),
        *("x-laneway-missing", "x-preview-lane-served"),
    }
)
_SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})
# user@host:path, as git reads it: no slash before the colon
_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]+:(?!//)(?P<path>.+)")
_FULL_NAME = re.compile(r"[\w.~-]+(/[\w.~-]+)*")
# git-check-ref-format(1), and no leading hyphen
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|^[-./]|\.lock(/|$)|[./]$|^@$")
_URL_EXAMPLE = "such as https://{lane}.preview.example.com"
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f]")


def label(text: str) -> str:
    if names.is_label(text):
        return ""
    return f"{text[:80]!r} is no DNS label: a-z, 0-9 and hyphens inside, at most 63 characters"


def chain_name(text: str) -> str:
    if len(text) > CHAIN_LIMIT:
        return f"has {len(text)} characters; {CHAIN_LIMIT} at most leave room for the names made of it"
    return label(text)


def service_name(text: str) -> str:
    """A Service's name, which is also a host name, begins with a letter (RFC 1035)."""
    return label(text) or (
        "" if text[0].isalpha() else f"{text!r} must begin with a letter, as a Service does"
    )


def subdomain(text: str) -> str:
    """A DNS subdomain (RFC 1123), as workloads and Secrets are called."""
    if len(text) <= 253 and all(names.is_label(part) for part in text.split(".")):
        return ""
    return f"{text[:80]!r} is no name of a Kubernetes object: a-z, 0-9, hyphens and dots inside"


def workload(text: str) -> str:
    """Only the form: whether the kind can be cloned is said when a lane is planned, with the reason."""
    kind, slash, name = text.partition("/")
    if not slash or not re.fullmatch(r"[A-Z][A-Za-z0-9]*", kind):
        return f"{text[:80]!r} must be KIND/NAME, such as Deployment/payment"
    return subdomain(name)


def image(text: str) -> str:
    if _BLANK_OR_CONTROL.search(text):
        return f"{text[:80]!r} has blanks in it"
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return f"{text[:80]!r} has a brace without its partner"
    for _, name, form, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
            return f"{text[:80]!r} has a placeholder that does not exist; there is {known}"
    return ""


def glob(text: str) -> str:
    """A pattern in gitignore's terms, relative to the repository."""
    if text != text.strip():
        return f"{text[:80]!r} begins or ends with a blank"
    body = text.removeprefix("!").removeprefix("/")
    if not body:
        return f"{text[:80]!r} matches nothing"
    if "//" in body or any(part in (".", "..") for part in body.split("/")):
        return f"{text[:80]!r} leads outside: write it relative to the repository, without . or .. or //"
    if "[" in body and not _brackets_close(body):
        return f"{text[:80]!r} has a [ without its ]"
    try:
        globs.check(text)
    except ValueError as error:
        return str(error)
    return ""


def branch(text: str) -> str:
    if 0 < len(text) <= 255 and not _NO_BRANCH.search(text):
        return ""
    return f"{text[:80]!r} is no name of a branch"


def repository_url(text: str) -> str:
    if _BLANK_OR_CONTROL.search(text) or text.startswith("-"):
        return f"{text[:80]!r} is no address of a repository"
    if text.startswith("/") or ("://" not in text and _SCP.fullmatch(text)):
        return "" if "::" not in text else f"{text[:80]!r}: git's remote helpers are not used"
    try:
        parts = urlsplit(text)
    except ValueError as error:
        return f"is no address of a repository: {error}"
    if parts.scheme not in _SCHEMES or not parts.path.strip("/"):
        return "must be https://HOST/OWNER/NAME, ssh://HOST/..., git@HOST:OWNER/NAME or an absolute path"
    if parts.password or (parts.username and parts.scheme in ("http", "https")):
        return "holds a user or password: put it into a Secret and name that in `credentials`"
    return ""


def full_name(text: str) -> str:
    if _FULL_NAME.fullmatch(text):
        return ""
    return f"{text[:80]!r} is not what a forge calls a repository, such as acme/shop"


def repository_name(url: str) -> str:
    """What deliveries call the repository at `url`: the path after the host, or the last two parts of a path
    on this machine; `acme/shop` for https://github.com/acme/shop.git."""
    is_local = url.startswith(("/", "file://"))
    scp = None if "://" in url or is_local else _SCP.fullmatch(url)
    path = scp["path"] if scp else urlsplit(url).path
    parts = [part for part in path.removesuffix("/").removesuffix(".git").split("/") if part]
    return "/".join(parts[-2:] if is_local else parts)


def entry_host(text: str) -> str:
    domain = text.removeprefix("{lane}.")
    if domain == text or "{" in domain:
        return f'{text[:80]!r} must be "{{lane}}." and a domain, such as {{lane}}.preview.example.com'
    if len(domain) > 253 - 64 or not all(names.is_label(part) for part in domain.split(".")):
        return f"{domain[:80]!r} is no domain (lower case, without a port)"
    return ""


def entry_url(text: str) -> str:
    """Where people open a lane; what is behind the host may be anything that leads to the entry."""
    if "{lane}" not in text and not shared_url(text):
        return (
            f"{text[:80]!r} is the same for every lane: write {{lane}} where its name belongs, {_URL_EXAMPLE}"
        )
    return shared_url(text)


def shared_url(text: str) -> str:
    """As `entry_url`, where a link or a cookie names the lane: the address may be the same for all."""
    example = _URL_EXAMPLE
    url = text.replace("{lane}", "lane")
    if _BLANK_OR_CONTROL.search(text) or "{" in url or "}" in url:
        return f"{text[:80]!r} is no URL: {{lane}} is the only placeholder, {example}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # raises for a port that is none
    except ValueError as error:
        return f"{text[:80]!r} is no URL: {error}"
    if parts.scheme not in ("http", "https") or parts.username is not None or not _is_host(host):
        return f"{text[:80]!r} must be http:// or https:// and a host, {example}"
    return ""


def called_url(text: str) -> str:
    """An address that Laneway itself calls; it may have a user and a password."""
    example = "must be http:// or https:// and a host, such as https://hooks.example.com/laneway"
    if _BLANK_OR_CONTROL.search(text) or "{" in text or "}" in text:
        return f"{text[:80]!r} {example}"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port  # raises for a port that is none
    except ValueError as error:
        return f"{text[:80]!r} is no URL: {error}"
    is_host = _is_host(host) or (":" in host and not network(host))
    return "" if parts.scheme in ("http", "https") and is_host else f"{text[:80]!r} {example}"


def query(text: str) -> str:
    """A question to Prometheus; whether that understands it, it says itself."""
    return "" if len(text) <= 4000 else f"has {len(text)} characters; 4000 at most"


def plain_value(text: str) -> str:
    """What a header or cookie may be compared with: visible, without what separates cookies."""
    if re.fullmatch(r"[!-+\--:<-\[\]-~]{1,256}", text):
        return ""
    return (
        f"{text[:80]!r} is no plain value: visible characters without blanks, commas, ; and \\, at most 256"
    )


def _is_host(text: str) -> bool:
    return len(text) <= 253 and all(names.is_label(part) for part in text.split("."))


def network(text: str) -> str:
    """A network as the routing of the Internet writes it (RFC 4632); one address is a network of its own."""
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        return f"is no network in CIDR, such as 10.0.0.0/8 or 2001:db8::/32: {error}"
    return ""


def parameter(text: str) -> str:
    """The name of a query parameter that needs no encoding."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        return ""
    return f"{text[:80]!r} is no name of a query parameter: letters, digits, _ and -, at most 64"


def cookie(text: str) -> str:
    return "" if _TOKEN.fullmatch(text) else f"{text[:80]!r} is no name of a cookie (RFC 6265)"


def header(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        return f"{text[:80]!r} is no name of a header (RFC 9110)"
    if "%" in text:
        return f"{text[:80]!r} has a %, by which data planes mark what they fill in; take another"
    return f"{text!r} has a meaning of its own; take another" if text.lower() in _TAKEN_HEADERS else ""


def baggage_key(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        return f"{text[:80]!r} is no baggage key (a token of RFC 9110)"
    if set(text) & set("%+"):
        return f"{text[:80]!r} has a % or +, which some readers of baggage decode and others do not"
    return ""


def git_label(text: str) -> str:
    """The name of a label on a pull request; forges allow nearly anything."""
    return "" if len(text) <= 100 and text.isprintable() else f"{text[:80]!r} is no label"


def _brackets_close(pattern: str) -> bool:
    # a ] directly after [ or [! is meant literally
    return not re.search(r"(?<!\\)\[(?![!^]?\]?[^\]]*\])", pattern)
