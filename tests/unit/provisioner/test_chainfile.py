"""Right chain files: what is read, and what is assumed where nothing is written."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain import document, measures, releasing, syntax
from provisioner.chain import grammar as chainfile
from provisioner.chain.model import (
    Carriers,
    Chain,
    Driver,
    Entry,
    ForkPolicy,
    Lifecycle,
    Protocol,
    Repository,
    Service,
    Trigger,
    Trust,
    Untrusted,
    WorkloadRef,
)
from provisioner.errors import ConfigError
from provisioner.lane.model import Mode

ROOT = Path(__file__).parents[3]
SHORTEST = """\
chain: shop
namespace: shop
repositories: [{url: https://github.com/acme/shop.git}]
services:
  web: {paths: [web/**], workload: Deployment/web, image: "acme/web:{sha}"}
  api: {paths: [api/**], workload: StatefulSet/api, image: "acme/api:{sha}"}
"""


def parse(text: str) -> Chain:
    return chainfile.parse(text, "laneway.yaml")


def shortest_with(text: str) -> Chain:
    return parse(SHORTEST + text)


def test_ports_may_be_told_their_protocol() -> None:
    said = "protocols: {tcp: [7000, 25], http: [9092]}"
    chain = parse(SHORTEST.replace('"acme/web:{sha}"', f'"acme/web:{{sha}}", {said}'))
    assert chain.protocols("web") == {25: Protocol.TCP, 7000: Protocol.TCP, 9092: Protocol.HTTP}
    assert chain.protocols("api") == {}
    assert chain.protocols("unlisted") == {}


def test_the_documented_example_is_read() -> None:
    chain = parse((ROOT / "tests" / "data" / "chains" / "shop.yaml").read_text())
    frontend, payment = (
        Service(
            name=name,
            workload=WorkloadRef("Deployment", name),
            image=f"ghcr.io/acme/{name}:{{sha}}",
            namespace="shop",
            paths=(f"services/{name}/**", *more),
        )
        for name, more in (("frontend", ()), ("payment", ("libs/money/**",)))
    )
    assert chain == Chain(
        name="shop",
        repositories=(Repository("https://github.com/acme/shop.git", "acme/shop", "main"),),
        services=(frontend, payment),
        shared_paths=(("libs/common/**", ("frontend", "payment")),),
        entry=Entry("frontend", "{lane}.preview.example.com"),
        carriers=Carriers("x-preview-lane", "preview-lane"),
        driver=Driver.ENVOY,
        lifecycle=Lifecycle(timedelta(hours=72), timedelta(hours=8), 50, Trigger.OPENED),
        forks=ForkPolicy.APPROVE,
        source="laneway.yaml",
    )


def test_what_is_left_out_has_the_defaults_of_the_data() -> None:
    chain = parse(SHORTEST)
    plain = Chain(chain.name, chain.repositories, chain.services, source=chain.source)
    assert chain == plain


def test_the_reference_shows_a_file_that_is_right_and_names_every_key() -> None:
    text = (ROOT / "docs" / "laneway-yaml.md").read_text()
    example, release = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    chain = parse(example + release)
    assert chain.name == "shop" and chain.release.analysis is not None
    releasing_keys = (*releasing.KEYS, *releasing.STEP_KEYS, *measures.KEYS, *measures.METRIC_KEYS)
    keys = (
        *releasing_keys,
        *chainfile.KEYS,
        *chainfile.SERVICE_KEYS,
        *chainfile.REPOSITORY_KEYS,
        *chainfile.LIFECYCLE_KEYS,
    )
    named = {word for code in re.findall(r"`([\w.\[\]]+)`", text) for word in re.findall(r"\w+", code)}
    assert set(keys) - named == set()


def test_the_reference_gives_the_defaults_that_are_true() -> None:
    text = (ROOT / "docs" / "laneway-yaml.md").read_text()
    said = dict(re.findall(r"\| `([\w.\[\]*]+)` \| `([^`]+)` \|", text))
    written = {
        "mode": "mode: {}",
        "carriers.header": "carriers: {{header: {}}}",
        "carriers.baggage": "carriers: {{baggage: {}}}",
        "routing.driver": "routing: {{driver: {}}}",
        "lifecycle.ttl": "lifecycle: {{ttl: {}}}",
        "lifecycle.idle": "lifecycle: {{idle: {}}}",
        "lifecycle.max_lanes": "lifecycle: {{max_lanes: {}}}",
        "lifecycle.when": "lifecycle: {{when: {}}}",
        "lifecycle.label": "lifecycle: {{label: {}}}",
        "lifecycle.follow": "lifecycle: {{follow: {}}}",
        "forks.policy": "forks: {{policy: {}}}",
        "strategy": "release: {{strategy: {}}}",
        "sticky.cookie": "release: {{sticky: {{cookie: {}}}}}",
        "finish": "release: {{finish: {}}}",
        "progressDeadline": "release: {{progressDeadline: {}}}",
        "whenBusy": "release: {{whenBusy: {}}}",
        "onPush": "release: {{onPush: {}}}",
    }
    for key, form in written.items():
        assert shortest_with(form.format(said[key])) == parse(SHORTEST), key


def test_every_key_of_a_service_is_read() -> None:
    chain = parse("""\
chain: shop
mode: members
repositories:
  - {url: /srv/git/acme/shop.git, name: acme/app, base: develop, credentials: git-token}
  - {url: git@example.com:acme/api.git}
services:
  api:
    paths: [/src/, "!docs/**", "*.py"]
    workload: StatefulSet/api
    image: registry:5000/api:{service_sha}-{branch}-{pull}
    namespace: backend
    repository: acme/api
    depends_on: [web]
    container: app
    clone: true
  web:
    paths: [web/**]
    workload: Deployment/web
    image: "git+{repository}@{sha}#web"
    namespace: front
    depends_on: [api]
shared_paths: {proto/**: [api], go.mod: all}
""")
    assert chain.mode is Mode.MEMBERS
    assert chain.repositories[0] == Repository("/srv/git/acme/shop.git", "acme/app", "develop", "git-token")
    assert chain.service("api") == Service(
        name="api",
        workload=WorkloadRef("StatefulSet", "api"),
        image="registry:5000/api:{service_sha}-{branch}-{pull}",
        namespace="backend",
        paths=("/src/", "!docs/**", "*.py"),
        repository="acme/api",
        depends_on=("web",),
        container="app",
        clone=True,
    )
    assert chain.service("web").depends_on == ("api",)
    assert chain.shared_paths == (("proto/**", ("api",)), ("go.mod", ("api", "web")))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/acme/shop.git", "acme/shop"),
        ("https://github.com/acme/shop/", "acme/shop"),
        ("https://gitlab.example.com:8443/group/sub/shop.git", "group/sub/shop"),
        ("ssh://git@example.com:2222/acme/shop.git", "acme/shop"),
        ("git@github.com:acme/shop.git", "acme/shop"),
        ("github.com:acme/shop", "acme/shop"),
        ("git://127.0.0.1:9418/acme/shop", "acme/shop"),
        ("/srv/git/acme/shop.git", "acme/shop"),
        ("file:///srv/git/acme/shop.git", "acme/shop"),
        ("/shop.git", "shop"),
    ],
)
def test_what_deliveries_call_a_repository_is_derived_from_its_url(url: str, name: str) -> None:
    assert syntax.repository_url(url) == ""
    assert syntax.repository_name(url) == name


def test_a_repository_is_found_by_name_in_any_case() -> None:
    repository = parse(SHORTEST).repository("Acme/Shop")
    assert repository is not None
    assert repository.name == "acme/shop"


@pytest.mark.parametrize(("key", "name"), [("ttl", "ttl"), ("idle", "idle")])
def test_a_time_can_be_never_or_a_number_of_seconds(key: str, name: str) -> None:
    assert getattr(shortest_with(f"lifecycle: {{{key}: never}}").lifecycle, name) is None
    assert getattr(shortest_with(f"lifecycle: {{{key}: 3600}}").lifecycle, name) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ('{service: web, host: "{lane}.example.com"}', "http://pr-4.example.com"),
        (
            '{service: web, host: "{lane}.example.com", url: "https://{lane}.example.com"}',
            "https://pr-4.example.com",
        ),
        (
            '{service: web, host: "{lane}.shop.localhost", url: "http://{lane}.shop.localhost:8089"}',
            "http://pr-4.shop.localhost:8089",
        ),
        ("{service: web}", ""),
    ],
)
def test_people_open_a_lane_at_the_url_if_there_is_one_else_at_its_host(entry: str, url: str) -> None:
    assert shortest_with(f"entry: {entry}").entry.url_of("pr-4") == url


def test_an_address_that_is_the_same_for_every_lane_needs_a_link_or_a_cookie() -> None:
    for carrier in ("link: preview", "cookie: preview-lane"):
        entry = shortest_with(f'entry: {{service: web, url: "https://example.com/shop", {carrier}}}').entry
        assert (entry.address, entry.url_of("pr-4")) == ("https://example.com/shop", "")


def test_an_entry_says_who_may_name_a_lane() -> None:
    entry = shortest_with(
        "entry: {service: web, link: preview, trust: signed, untrusted: forbidden, "
        'networks: [10.0.0.0/8, "2001:db8::/32", 192.0.2.7], hops: 2}'
    ).entry
    assert entry == Entry(
        service="web",
        link="preview",
        trust=Trust.SIGNED,
        untrusted=Untrusted.FORBIDDEN,
        networks=("10.0.0.0/8", "2001:db8::/32", "192.0.2.7"),
        hops=2,
    )
    assert entry.ticket == "laneway-preview"


def test_header_names_are_kept_in_lower_case() -> None:
    assert shortest_with("carriers: {header: X-My-Lane}").carriers.header == "x-my-lane"


def test_an_anchor_can_be_used_again() -> None:
    text = SHORTEST.replace("[api/**]", "*web").replace("[web/**]", "&web [web/**]")
    assert parse(text).service("api").paths == ("web/**",)


@pytest.mark.parametrize(
    "glob", ["**", "*", "a", "/a", "a/", "!a/**", "a/**/b", "[a-z]/*.py", "[]]x", r"\[x", "a b"]
)
def test_globs_of_gitignore_are_right(glob: str) -> None:
    assert syntax.glob(glob) == ""


@pytest.mark.parametrize("branch", ["main", "release/1.2", "Ünïcode", "a-b_c", "v1@2"])
def test_branches_that_git_allows_are_right(branch: str) -> None:
    assert syntax.branch(branch) == ""


@pytest.mark.parametrize(
    "branch", ["", "-x", "a..b", "a b", "a~1", "a:b", "/a", "a/", "a.lock", "@", "a@{1}", "a//b", "a/.b"]
)
def test_branches_that_git_refuses_are_wrong(branch: str) -> None:
    assert syntax.branch(branch)


def test_a_file_without_end_is_refused_unread() -> None:
    with pytest.raises(ConfigError, match="larger than"):
        parse("#" * (document.MOST_BYTES + 1))


def test_more_mistakes_than_anyone_reads_are_counted() -> None:
    with pytest.raises(ConfigError) as caught:
        shortest_with("".join(f"unknown{number}: 1\n" for number in range(150)))
    *_, last = str(caught.value).splitlines()
    assert last == "laneway.yaml: and 50 more"


def test_where_the_first_mistake_is_can_be_asked() -> None:
    with pytest.raises(ConfigError) as caught:
        shortest_with("mode: strict\n")
    assert caught.value.where == "laneway.yaml:7: mode"


@given(st.text() | st.text("{}[]:,-&*!?|>'\"%@`#\n ax"))
def test_any_text_is_a_chain_or_a_clear_error(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


VALUES = st.recursive(
    st.sampled_from(
        ["x", "1", "1.5", "true", "null", "''", "!t x", "2026-01-01", "all", "{lane}.a.b", "-1h", "'{'"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(
            st.sampled_from(["service", "host", "policy", "x", "ttl", "url"]), inner, max_size=3
        ).map(lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}")
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(chainfile.KEYS), VALUES))
def test_whatever_a_key_holds_nothing_but_a_clear_error_comes_of_it(entries: dict[str, str]) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in entries.items())
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert all(line.startswith("laneway.yaml:") for line in str(caught.value).splitlines())
