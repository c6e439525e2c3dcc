"""A release that a push to a chain's base branch starts, where `release.on_push` says so.

What is released are the services that have changed since what their baselines run, at the head of the base
branch as git has it now: so pushes that come together make one release, and a push that was missed is part of
the next. The release is named after the commit, so a delivery that comes twice starts nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import structlog

from provisioner import changes
from provisioner.chain.model import Chain, Repository, Service
from provisioner.changes import Source
from provisioner.errors import ConflictError, PermanentError
from provisioner.events import ForgeEvent, Kind
from provisioner.release import baseline, start, store, workloads
from provisioner.release.model import Release
from provisioner.status.readiness import Clock
from provisioner.world import World

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_COMMITS = {"sha": "[0-9a-f]{40,64}", "service_sha": "[0-9a-f]{40,64}", "short_sha": "[0-9a-f]{7}"}

log = structlog.get_logger()


def begin(chain: Chain, event: ForgeEvent, world: World) -> Release | None:
    """The release that a push starts, written; None where it starts none. What is in the way is logged: to
    the forge a push is none the worse for it. Raises TemporaryError."""
    repository = chain.repository(event.repository)
    pushed = event.kind is Kind.PUSHED and repository is not None and event.ref == repository.base
    if not (chain.release.on_push and pushed and repository is not None):
        return None
    try:
        return _begin(chain, repository, world)
    except PermanentError as error:
        log.warning("release.unstarted", chain=chain.name, reason=error.reason, error=str(error))
        return None


def _begin(chain: Chain, repository: Repository, world: World) -> Release | None:
    head, images = _changed(chain, repository, world)
    name = f"push-{head[:12]}"
    if not images or store.read(world.cluster, chain.name, name) is not None:
        log.info("release.unneeded", chain=chain.name, head=head, services=len(images))
        return None
    origin = f"{repository.base} at {head[:12]}"
    try:
        made = store.create(world.cluster, start.from_images(chain, images, name, world, origin))
    except ConflictError:
        return None  # the same push, told twice at the same moment
    log.info("release.started", release=made.object_name, origin=origin, services=sorted(images))
    return made


def _changed(chain: Chain, repository: Repository, world: World) -> tuple[str, dict[str, str]]:
    """The head of the base branch, and the image of each service that has changed since what it runs."""
    running = _running(chain, repository, world)
    sources = {
        commit: world.repositories.since(chain, repository, commit) for commit in {"", *running.values()}
    }
    images = {}
    for service in chain.services:
        source = sources[running.get(service.name, "")]
        if service.name in running and _is_in(service, chain, source):
            images[service.name] = changes.image(service, source, chain)
    return sources[""].head, images


def _is_in(service: Service, chain: Chain, source: Source) -> bool:
    return any(one.in_lane and one.service == service.name for one in changes.select(chain, [source]))


def _running(chain: Chain, repository: Repository, world: World) -> Mapping[str, str]:
    """The commit that the baseline of each service of the repository runs, empty where its image does not
    say."""
    mine = [one for one in chain.services if one.repository.lower() in ("", repository.name.lower())]
    found = baseline.read(mine, world.cluster)
    clock = Clock(world.now(), timedelta(0))
    return {
        one.name: commit_of(one, workloads.read(one, found[one.name], clock).image)
        for one in mine
        if one.name in found and not workloads.refusal(one, found[one.name])
    }


def commit_of(service: Service, image: str) -> str:
    """The commit that an image was built of, as far as the service's pattern tells; else empty. Pure."""
    parts = _PLACEHOLDER.split(service.image)
    texts, names = parts[::2], parts[1::2]
    place = next((number for number, name in enumerate(names) if name in _COMMITS), None)
    if place is None:
        return ""
    wanted = [f"({_COMMITS[name]})" if number == place else ".*" for number, name in enumerate(names)]
    pattern = "".join(re.escape(text) + one for text, one in zip(texts, [*wanted, ""], strict=True))
    found = re.fullmatch(pattern, image)
    return found[1] if found else ""
