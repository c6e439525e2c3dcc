"""A Lane as the cluster keeps it: frozen data with JSON on both sides, no IO.

`Lane.spec` is what is wanted, `Lane.status` what is. The object is named CHAIN.LANE and is cluster-scoped,
so that one lane may span namespaces; what a lane creates is owned by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from provisioner import durations, labels

Json = dict[str, Any]


class Phase(StrEnum):
    PENDING = "Pending"
    DEPLOYING = "Deploying"
    READY = "Ready"
    DEGRADED = "Degraded"
    SLEEPING = "Sleeping"
    TERMINATING = "Terminating"


class Mode(StrEnum):
    """What happens to a request when the lane's copy of a service is missing."""

    LOOSE = "loose"  # the baseline answers
    MEMBERS = "members"  # 503 for the lane's own services
    ALL = "all"  # 503 for every service of the chain


def stamp(moment: datetime) -> str:
    """A time as Kubernetes writes it, with microseconds: 2026-01-02T03:04:05.000006Z."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The time that `stamp`, or Kubernetes, wrote."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@dataclass(frozen=True)
class Member:
    """A pull request that holds a lane open. `observed_at` is the forge's time of the newest event seen."""

    repository: str
    ref: str
    sha: str
    pull: int
    observed_at: datetime
    base: str = ""
    author: str = ""
    fork: str = ""  # the fork's owner, or empty
    url: str = ""

    @property
    def key(self) -> str:
        return f"{self.repository.lower()}#{self.pull}"

    def to_json(self) -> Json:
        data: Json = {
            "repository": self.repository,
            "ref": self.ref,
            "sha": self.sha,
            "pull": self.pull,
            "observedAt": stamp(self.observed_at),
        }
        optional = {"base": self.base, "author": self.author, "fork": self.fork, "url": self.url}
        return data | {key: value for key, value in optional.items() if value}

    @classmethod
    def from_json(cls, data: Json) -> Member:
        return cls(
            repository=data["repository"],
            ref=data["ref"],
            sha=data["sha"],
            pull=data["pull"],
            observed_at=moment(data["observedAt"]),
            base=data.get("base", ""),
            author=data.get("author", ""),
            fork=data.get("fork", ""),
            url=data.get("url", ""),
        )


@dataclass(frozen=True)
class Fixed:
    """A service of a release's lane: its image, how many replicas its copy has, and the revision of the
    baseline that it is to be derived from (`copies.template`); empty: of whichever it was derived from."""

    service: str
    image: str
    replicas: int = 1
    revision: str = ""

    def to_json(self) -> Json:
        found: Json = {"name": self.service, "image": self.image, "replicas": self.replicas}
        return found | ({"revision": self.revision} if self.revision else {})

    @classmethod
    def from_json(cls, data: Json) -> Fixed:
        return cls(data["name"], data["image"], int(data.get("replicas", 1)), data.get("revision", ""))


@dataclass(frozen=True)
class Lane:
    """The wanted side of a lane, with what is needed to write it back safely."""

    chain: str
    name: str  # the value that the header takes
    members: tuple[Member, ...] = ()
    mode: Mode = Mode.LOOSE
    pinned: bool = False
    ttl: timedelta | None = None  # None: the chain's
    approved: tuple[str, ...] = ()  # shas of forks that may run
    parent: str = ""  # the lane that stands in for what this one lacks; it need not exist
    release: str = ""  # the release that holds it open in place of members
    fixed: tuple[Fixed, ...] = ()  # of a release's lane: its services, in place of what branches changed
    uid: str = ""  # empty: not in the cluster yet
    resource_version: str = ""
    generation: int = 0
    created: datetime | None = None
    labelled: bool = True  # it bears the labels by which it is found
    finalizers: tuple[str, ...] = ()
    going: bool = False  # somebody has deleted it, and a finalizer holds it
    status: Json = field(default_factory=dict)

    @property
    def object_name(self) -> str:
        return object_name(self.chain, self.name)

    @property
    def is_new(self) -> bool:
        """Whether nobody has acted on the Lane since it was created: as its creator holds it, it cannot own
        anything yet."""
        return self.generation == 1 and not self.status

    @property
    def wanted(self) -> bool:
        """Whether anything holds it open: a pull request, or a release."""
        return bool(self.members or self.release)

    @property
    def held(self) -> bool:
        """Whether it must not end before its routes are withdrawn."""
        return labels.ROUTES in self.finalizers

    @property
    def phase(self) -> str:
        return str(self.status.get("phase", ""))

    def with_member(self, member: Member) -> Lane:
        """This lane with `member` in the place of the one with the same repository and pull request."""
        others = tuple(one for one in self.members if one.key != member.key)
        return replace(self, members=tuple(sorted((*others, member), key=lambda one: one.key)))

    def without_member(self, key: str) -> Lane:
        return replace(self, members=tuple(one for one in self.members if one.key != key))

    def member(self, key: str) -> Member | None:
        return next((one for one in self.members if one.key == key), None)

    def spec(self) -> Json:
        spec: Json = {
            "chain": self.chain,
            "lane": self.name,
            "members": [member.to_json() for member in self.members],
            "mode": self.mode.value,
            "pin": self.pinned,
        }
        if self.ttl is not None:
            spec["ttl"] = durations.format(self.ttl)
        if self.approved:
            spec["approved"] = list(self.approved)
        if self.parent:
            spec["parent"] = self.parent
        if self.release:
            spec["release"] = self.release
            spec["services"] = [one.to_json() for one in self.fixed]
        return spec

    def to_object(self) -> Json:
        """The object as it is sent to the cluster, without status."""
        metadata: Json = {
            "name": self.object_name,
            "labels": labels.of_lane(self.chain, self.name),
        }
        if self.uid:
            metadata |= {"uid": self.uid, "resourceVersion": self.resource_version}
        return {"apiVersion": labels.API_VERSION, "kind": "Lane", "metadata": metadata, "spec": self.spec()}

    @classmethod
    def from_object(cls, data: Json) -> Lane:
        spec, metadata = data["spec"], data["metadata"]
        ttl = spec.get("ttl")
        return cls(
            chain=spec["chain"],
            name=spec["lane"],
            members=tuple(Member.from_json(one) for one in spec.get("members", ())),
            mode=Mode(spec.get("mode", Mode.LOOSE)),
            pinned=bool(spec.get("pin", False)),
            ttl=durations.parse(ttl) if ttl else None,
            approved=tuple(spec.get("approved", ())),
            parent=spec.get("parent", ""),
            release=spec.get("release", ""),
            fixed=tuple(Fixed.from_json(one) for one in spec.get("services", ())),
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            generation=metadata.get("generation", 0),
            created=moment(metadata["creationTimestamp"]),
            labelled=_is_labelled(spec, metadata),
            finalizers=tuple(metadata.get("finalizers") or ()),
            going="deletionTimestamp" in metadata,
            status=data.get("status") or {},
        )


def _is_labelled(spec: Json, metadata: Json) -> bool:
    wanted = labels.of_lane(spec["chain"], spec["lane"])
    return wanted.items() <= (metadata.get("labels") or {}).items()


def object_name(chain: str, lane: str) -> str:
    """The name of a lane's object; a DNS subdomain, since both parts are DNS labels."""
    return f"{chain}.{lane}"
