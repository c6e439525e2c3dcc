"""Reads the text of a `laneway.yaml` into a Chain. Pure: `chains` reads the files.

Everything that is wrong with a file is said at once, a line each, as FILE:LINE: KEY.PATH: what and what to
write instead. docs/laneway-yaml.md is the reference; the defaults are those of `chain`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from provisioner.chain import easing, entry, releasing, spans, syntax
from provisioner.chain.document import Document, Fields, Value, suggest
from provisioner.chain.model import (
    Carriers,
    Chain,
    ForkPolicy,
    Lifecycle,
    Protocol,
    Repository,
    Service,
    Trigger,
    WhenFull,
    WorkloadRef,
)
from provisioner.lane.model import Mode

MOST_LANES = 100_000
LONGEST = timedelta(days=366)
SHORTEST = timedelta(minutes=1)

KEYS = (
    *("chain", "namespace", "mode", "repositories", "services", "shared_paths"),
    *("entry", "carriers", "routing", "lifecycle", "release", "forks"),
)
SERVICE_KEYS = (
    *("paths", "workload", "image", "namespace", "repository", "depends_on", "container", "clone"),
    "protocols",
)
REPOSITORY_KEYS = ("url", "name", "base", "credentials")
LIFECYCLE_KEYS = (
    "ttl",
    "idle",
    "max_lanes",
    "max_per_author",
    "max_pods",
    "when_full",
    "when",
    "label",
    "follow",
)


@dataclass(frozen=True)
class _Known:
    """What other parts of the file may refer to."""

    namespace: str
    has_namespace: bool  # which may be wrong, and said to be
    repositories: frozenset[str]
    services: tuple[str, ...]


def parse(text: str, source: str) -> Chain:
    """The chain that `text` describes; `source` names the file in messages.

    Raises ConfigError whose text says all that is wrong, a line each.
    """
    document = Document(source)
    root = document.root(text)
    chain = _chain(root, source) if root is not None else None
    document.close()
    assert chain is not None  # else a problem was noted
    return chain


def _chain(root: Value, source: str) -> Chain:
    fields = root.fields(*KEYS)
    repositories = _repositories(fields)
    services = fields.required("services")
    entries = services.entries() if services else {}
    known = _Known(
        namespace=fields.text("namespace", syntax.label),
        has_namespace=fields.get("namespace") is not None,
        repositories=frozenset(repository.name for repository in repositories),
        services=tuple(entries),
    )
    if services and services.is_mapping and not entries:
        services.fail("must list at least one service")
    routing = easing.read(_section(fields, "routing", *easing.KEYS))
    return Chain(
        name=fields.required_text("chain", syntax.chain_name),
        mode=fields.choice("mode", Mode, Mode.LOOSE),
        repositories=repositories,
        services=_services(entries, known),
        shared_paths=_shared_paths(fields, known),
        entry=entry.read(_section(fields, "entry", *entry.KEYS), _one_of(known.services, "service")),
        carriers=_carriers(fields),
        driver=routing.driver,
        warmup=routing.warmup,
        failover=routing.failover,
        lifecycle=_lifecycle(fields),
        release=releasing.read(fields.get("release"), routing.driver),
        forks=_section(fields, "forks", "policy").choice("policy", ForkPolicy, ForkPolicy.APPROVE),
        source=source,
    )


def _section(fields: Fields, key: str, *known: str) -> Fields:
    """The section under `key`, empty when it is left out."""
    value = fields.get(key)
    return value.fields(*known) if value else fields.none


def _repositories(fields: Fields) -> tuple[Repository, ...]:
    value = fields.required("repositories")
    items = value.items() if value else []
    if value and value.is_list and not items:
        value.fail("must list at least one repository")
    found: dict[str, Repository] = {}
    for item in items:
        repository = _repository(item)
        if repository.name and repository.name.lower() in found:
            item.fail(f"{repository.name} is listed twice; give one of them a `name` of its own")
        found[repository.name.lower()] = repository
    return tuple(found.values())


def _repository(value: Value) -> Repository:
    fields = value.fields(*REPOSITORY_KEYS)
    url = fields.required_text("url", syntax.repository_url)
    derived = syntax.repository_name(url)
    name = fields.text("name", syntax.full_name, default=derived)
    if url and not fields.get("name") and syntax.full_name(derived):
        value.fail(f"no name can be derived from {url!r}: give `name`, what deliveries call it")
    return Repository(
        url=url,
        name=name,
        base=fields.text("base", syntax.branch, default="main"),
        credentials=fields.text("credentials", syntax.subdomain),
    )


def _services(entries: dict[str, Value], known: _Known) -> tuple[Service, ...]:
    services: list[Service] = []
    claimed: dict[tuple[str, WorkloadRef], str] = {}
    for name, value in entries.items():
        complaint = syntax.service_name(name)
        if complaint:
            value.fail(complaint)
        service = _service(name, value, known)
        owner = claimed.setdefault((service.namespace, service.workload), name)
        if owner != name and service.workload.name:
            value.fail(
                f"{service.workload} in namespace {service.namespace} is that of service {owner} already"
            )
        services.append(service)
    return tuple(services)


def _service(name: str, value: Value, known: _Known) -> Service:
    fields = value.fields(*SERVICE_KEYS)
    kind, _, workload = fields.required_text("workload", syntax.workload).partition("/")
    namespace = fields.text("namespace", syntax.label, default=known.namespace)
    if not known.has_namespace and not fields.get("namespace"):
        value.fail("has no namespace: give it one, or the chain a `namespace` for all of its services")
    return Service(
        name=name,
        workload=WorkloadRef(kind, workload),
        image=fields.required_text("image", syntax.image),
        namespace=namespace,
        paths=_paths(fields),
        repository=fields.text("repository", _one_of(known.repositories, "repository")),
        depends_on=tuple(item.text(_other(name, known)) for item in fields.items("depends_on")),
        container=fields.text("container", syntax.label),
        clone=fields.flag("clone", default=False),
        protocols=_protocols(fields),
    )


def _protocols(fields: Fields) -> tuple[tuple[int, Protocol], ...]:
    """How ports are read, by number; each port is listed under one protocol at most."""
    given, found = _section(fields, "protocols", *Protocol), dict[int, Protocol]()
    for how in Protocol:
        for item in given.items(how):
            port = item.integer()
            if port is None:
                continue
            if not 1 <= port <= 65535:
                item.fail(f"must be from 1 to 65535, not {port}")
            elif port in found:
                item.fail(f"port {port} is listed under {found[port]} already")
            found.setdefault(port, how)
    return tuple(sorted(found.items()))


def _paths(fields: Fields) -> tuple[str, ...]:
    value = fields.required("paths")
    items = value.items() if value else []
    if value and value.is_list and not items:
        value.fail("must list at least one glob")
    return tuple(item.text(syntax.glob) for item in items)


def _shared_paths(fields: Fields, known: _Known) -> tuple[tuple[str, tuple[str, ...]], ...]:
    value = fields.get("shared_paths")
    shared = []
    for glob, services in (value.entries() if value else {}).items():
        complaint = syntax.glob(glob)
        if complaint:
            services.fail(complaint)
        shared.append((glob, _shared_services(services, known)))
    return tuple(shared)


def _shared_services(value: Value, known: _Known) -> tuple[str, ...]:
    if value.is_list:
        return tuple(item.text(_one_of(known.services, "service")) for item in value.items())
    text = value.text(
        lambda text: "" if text == "all" else f"must be all or a list of services, not {text[:80]!r}"
    )
    return known.services if text else ()


def _carriers(fields: Fields) -> Carriers:
    carriers = _section(fields, "carriers", "header", "baggage")
    header = carriers.text("header", syntax.header, default=Carriers.header)
    # HTTP/2 writes header names in lower case, and every comparison behind this relies on it
    return Carriers(header.lower(), carriers.text("baggage", syntax.baggage_key, default=Carriers.baggage))


def _lifecycle(fields: Fields) -> Lifecycle:
    given, usual = _section(fields, "lifecycle", *LIFECYCLE_KEYS), Lifecycle()
    return Lifecycle(
        ttl=_duration(given, "ttl", usual.ttl),
        idle=_duration(given, "idle", usual.idle),
        max_lanes=given.integer("max_lanes", usual.max_lanes, least=1, most=MOST_LANES),
        max_per_author=_bound(given, "max_per_author"),
        max_pods=_bound(given, "max_pods"),
        when_full=given.choice("when_full", WhenFull, usual.when_full),
        when=given.choice("when", Trigger, usual.when),
        label=given.text("label", syntax.git_label, default=usual.label),
        follow=given.flag("follow", default=usual.follow),
    )


def _bound(fields: Fields, key: str) -> int | None:
    """A limit that is none unless it is given."""
    return fields.integer(key, 0, least=1, most=MOST_LANES) or None


def _duration(fields: Fields, key: str, default: timedelta | None) -> timedelta | None:
    """A duration within reason; `never` means None."""
    value = fields.get(key)
    if value is None:
        return default
    if not value.is_integer and value.text() in ("never", ""):
        return None
    return spans.read(value, SHORTEST, LONGEST, "from 1m to 366d, or never;") or default


def _one_of(known: tuple[str, ...] | frozenset[str], what: str) -> Callable[[str], str]:
    return lambda text: "" if text in known else f"there is no {what} {text[:80]!r}{suggest(text, known)}"


def _other(name: str, known: _Known) -> Callable[[str], str]:
    """A check for the name of another service than `name`."""
    exists = _one_of(known.services, "service")
    return lambda text: "a service cannot depend on itself" if text == name else exists(text)
