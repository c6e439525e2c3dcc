"""Which services a lane has, and why: from what git says about its members to one verdict per service. Pure.

    a path matches the service's globs               in    Changed
    a path matches a shared glob that names it       in    SharedPath
    a service that it depends on is in               in    DependsOn, at any distance
    the lane's mode is `all`                         in    EveryService, as the baseline runs it
    its code lies in a repository without a member   out   OtherRepository
    a release brings it, and the lane is its         in    Released: git is not asked there
    else                                             out   Unchanged

The first line that holds gives the reason. Each verdict has a sentence that names the path and the glob, so
that nobody has to guess. A change to this table changes docs/changes.md too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from provisioner.chain.globs import Match, globs
from provisioner.chain.model import Chain, Repository, Service
from provisioner.errors import ConfigError, InputError
from provisioner.lane.model import Lane, Member, Mode


class Cause(StrEnum):
    """Why a service is in a lane, or is not."""

    CHANGED = "Changed"
    SHARED_PATH = "SharedPath"
    DEPENDS_ON = "DependsOn"
    EVERY_SERVICE = "EveryService"
    RELEASED = "Released"
    OTHER_REPOSITORY = "OtherRepository"
    UNCHANGED = "Unchanged"


@dataclass(frozen=True)
class Source:
    """What git says of one member now. `paths` are sorted and hold every path that differs between
    `merge_base` and `head`: both sides of a rename, deletions, changes of mode and of submodules. An empty
    `merge_base` means that the branch shares no history with the base, and `paths` is all that it has.
    `service_shas` gives, for the services whose image asks for it, the last commit that touched their
    paths; a service that no commit touched is missing from it."""

    member: Member
    repository: Repository
    head: str
    merge_base: str
    paths: tuple[str, ...]
    service_shas: Mapping[str, str]
    base: str = ""  # the branch that it is compared with; empty: the repository's

    @property
    def compared_with(self) -> str:
        return self.base or self.repository.base


@dataclass(frozen=True)
class Verdict:
    """Whether a service is in the lane. `member` is the key of the member that its code is taken from; empty
    when it is none's: the service is not in the lane, or runs there as on the baseline."""

    service: str
    in_lane: bool
    cause: Cause
    message: str
    member: str


def select(chain: Chain, sources: Sequence[Source], mode: Mode = Mode.LOOSE) -> tuple[Verdict, ...]:
    """One verdict per service, in the chain's order. Of two members that change one service, the one
    observed last gives its code. `mode` is the lane's."""
    newest = sorted(sources, key=lambda source: (source.member.observed_at, source.member.key), reverse=True)
    found = {service.name: _by_path(chain, service, newest) for service in chain.services}
    verdicts = {name: verdict for name, verdict in found.items() if verdict is not None}
    _spread(chain, newest, verdicts)
    rest = _unchanged if mode is Mode.ALL and newest else _out
    return tuple(verdicts.get(service.name) or rest(service, newest, verdicts) for service in chain.services)


def released(chain: Chain, lane: Lane) -> tuple[Verdict, ...]:
    """One verdict per service of a release's lane, in the chain's order. Raises ConfigError where the chain's
    file no longer has one that is released."""
    images = {one.service: one.image for one in lane.fixed}
    if gone := sorted(images.keys() - {service.name for service in chain.services}):
        raise ConfigError(
            f"release {lane.release} has {', '.join(gone)}, which the chain's file no longer lists; "
            f"bring it back, or: laneway release abort {chain.name} {lane.release}",
            where=chain.source,
        )
    return tuple(_of_release(service.name, lane.release, images) for service in chain.services)


def _of_release(name: str, release: str, images: Mapping[str, str]) -> Verdict:
    if name in images:
        return Verdict(name, True, Cause.RELEASED, f"release {release} brings {images[name]}", "")
    return Verdict(name, False, Cause.UNCHANGED, f"release {release} does not change it", "")


def _by_path(chain: Chain, service: Service, newest: Sequence[Source]) -> Verdict | None:
    return _changed(service, newest) or _shared(chain, service, newest)


def _changed(service: Service, newest: Sequence[Source]) -> Verdict | None:
    wanted = globs(service.paths)
    hits = [
        (source, match)
        for source in _of(service, newest)
        if (match := wanted.first(source.paths)) is not None
    ]
    if not hits:
        return None
    source, match = hits[0]
    message = _sentence(match) + _unrelated(source)
    if len(hits) > 1:
        others = ", ".join(other.member.key for other, _ in hits[1:])
        message += f"; taken from {source.member.key}, which was updated after {others}"
    return Verdict(service.name, True, Cause.CHANGED, message, source.member.key)


def _shared(chain: Chain, service: Service, newest: Sequence[Source]) -> Verdict | None:
    for glob, names in chain.shared_paths:
        for source in newest if service.name in names else ():
            match = globs((glob,)).first(source.paths)
            home = _home(service, newest, source)
            if match and home:
                message = f"shared path: {_sentence(match)}{_unrelated(source)}"
                return Verdict(service.name, True, Cause.SHARED_PATH, message, home.member.key)
    return None


def _spread(chain: Chain, newest: Sequence[Source], verdicts: dict[str, Verdict]) -> None:
    """Adds to `verdicts` the services that depend, at any distance, on those in it; nearest first."""
    by_key = {source.member.key: source for source in newest}
    edge = [service.name for service in chain.services if service.name in verdicts]
    while edge:
        reached = []
        for service in chain.services:
            cause = next((name for name in service.depends_on if name in edge), "")
            if not cause or service.name in verdicts:
                continue
            home = _home(service, newest, by_key[verdicts[cause].member])
            if home:
                message = f"depends on {cause}, which {_because(verdicts[cause])}"
                reached.append(Verdict(service.name, True, Cause.DEPENDS_ON, message, home.member.key))
        verdicts.update({verdict.service: verdict for verdict in reached})
        edge = [verdict.service for verdict in reached]


def _because(verdict: Verdict) -> str:
    if verdict.cause is Cause.CHANGED:
        return "changed"
    if verdict.cause is Cause.SHARED_PATH:
        return "uses a shared path that changed"
    return verdict.message  # "depends on ..., which changed"


def _unchanged(service: Service, newest: Sequence[Source], verdicts: Mapping[str, Verdict]) -> Verdict:
    """A service of a lane that has them all, which no member of it changed."""
    message = f"{_out(service, newest, verdicts).message}; the lane's mode is all, so it has a copy as it is"
    return Verdict(service.name, True, Cause.EVERY_SERVICE, message, "")


def _out(service: Service, newest: Sequence[Source], verdicts: Mapping[str, Verdict]) -> Verdict:
    if not newest:
        return Verdict(service.name, False, Cause.UNCHANGED, "the lane has no members", "")
    own = _of(service, newest)
    if not own:
        message = _elsewhere(service, verdicts)
        return Verdict(service.name, False, Cause.OTHER_REPOSITORY, message, "")
    return Verdict(service.name, False, Cause.UNCHANGED, _unmatched(service, own), "")


def _unmatched(service: Service, own: Sequence[Source]) -> str:
    paths = [path for source in own for path in source.paths]
    wanted = ", ".join(service.paths)
    if not paths:
        return f"nothing differs from {_bases(own)}"
    if len(paths) == 1:
        return f"{paths[0]}, the only changed path, does not match {wanted}"
    return f"none of {len(paths)} changed paths matches {wanted}"


def _bases(sources: Sequence[Source]) -> str:
    return ", ".join(sorted({f"{source.repository.name} {source.compared_with}" for source in sources}))


def _elsewhere(service: Service, verdicts: Mapping[str, Verdict]) -> str:
    message = f"its code lies in {service.repository}, of which no branch is in this lane"
    cause = next((name for name in service.depends_on if name in verdicts), "")
    return f"depends on {cause}, but {message}" if cause else message


def _of(service: Service, sources: Sequence[Source]) -> list[Source]:
    """The sources that may hold the service's code."""
    wanted = service.repository.lower()
    return [source for source in sources if not wanted or source.repository.name.lower() == wanted]


def _home(service: Service, newest: Sequence[Source], via: Source) -> Source | None:
    """Where the code of a service is taken from that `via` brought in without touching its paths."""
    own = _of(service, newest)
    return via if via in own else next(iter(own), None)


def _sentence(match: Match) -> str:
    more = f" (+{match.count - 1} more)" if match.count > 1 else ""
    return f"{match.path} matches {match.glob}{more}"


def _unrelated(source: Source) -> str:
    if source.merge_base:
        return ""
    branch, base = source.member.ref, source.compared_with
    return f"; {branch} shares no history with {base}, so every file counts as changed"


PLACEHOLDERS = ("sha", "short_sha", "service_sha", "branch", "pull", "repository")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
TAG_LENGTH = 128  # https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests


def image(service: Service, source: Source, chain: Chain) -> str:
    """The service's image with `source` put into its placeholders.

    Raises ConfigError for a placeholder that does not exist or has no value.
    """
    where = f"{chain.source}: services.{service.name}.image"

    def value(found: re.Match[str]) -> str:
        return _value(found[1], service, source, where)

    return _PLACEHOLDER.sub(value, service.image)


def wanting_sha(chain: Chain, source: Source) -> tuple[Service, ...]:
    """The services whose `{service_sha}` may be asked of `source`: those that it brings into a lane, and,
    when the chain has several repositories, those that a change in another may bring in."""
    reached = {verdict.service for verdict in select(chain, [source]) if verdict.in_lane}
    several = len(chain.repositories) > 1
    return tuple(
        service
        for service in chain.services
        if "{service_sha}" in service.image
        and _of(service, [source])
        and (several or service.name in reached)
    )


def _value(name: str, service: Service, source: Source, where: str) -> str:
    match name:
        case "sha":
            return source.head
        case "short_sha":
            return source.head[:7]
        case "service_sha":
            return _service_sha(service, source, where)
        case "branch":
            return tag(source.member.ref)
        case "pull":
            return str(source.member.pull)
        case "repository":
            return re.sub(r"^(https?://)[^/@]*@", r"\1", source.repository.url)  # no token into a pod's spec
    known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
    raise ConfigError(f"unknown placeholder {{{name}}}; there are {known}", where=where)


def _service_sha(service: Service, source: Source, where: str) -> str:
    sha = source.service_shas.get(service.name)
    if sha:
        return sha
    raise ConfigError(
        f"no commit of {source.member.ref} touches {', '.join(service.paths)}, so {{service_sha}} has no "
        "value; correct `paths` or use {sha}",
        where=where,
    )


def tag(branch: str) -> str:
    """`branch` as an image tag may hold it: letters, digits, `_`, `.` and `-`, at most 128; what cannot stay
    is a dash. Raises InputError when nothing is left."""
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", branch).lstrip(".-")[:TAG_LENGTH]
    if not slug:
        raise InputError(
            f"nothing of branch {branch!r} can stand in an image's tag; use {{sha}} for its image"
        )
    return slug
