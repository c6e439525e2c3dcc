"""Pods on a real node: environment, images, restarts, probes, init containers, the end."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devcluster.api import ApiError
from tests.integration.devcluster_node.conftest import Shop
from tests.support.nodecluster import NodeCluster, commit, condition, env, fetch, make_repository
from tests.support.waiting import until

Object = dict[str, Any]
Web = Callable[..., Object]


def pod(name: str, *containers: Object, **spec: Any) -> Object:
    spec = {"terminationGracePeriodSeconds": 5, "containers": list(containers), **spec}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def script(text: str, **fields: Any) -> Object:
    """A container that runs some Python on the host image."""
    return {"name": "main", "image": "host", "command": ["python", "-u", "-c", text], **fields}


SLEEP = "import signal; signal.pause()"
PRINT_ENV = "import json, os, signal; print(json.dumps(dict(os.environ))); signal.pause()"


def test_the_environment_is_what_kubernetes_would_give(cluster: NodeCluster) -> None:
    cluster.create("services", {"metadata": {"name": "orders-db"}, "spec": {"ports": [{"port": 15432}]}})
    cluster.create("configmaps", {"metadata": {"name": "settings"}, "data": {"COLOR": "blue"}})
    secret = {"token": base64.b64encode(b"hush").decode()}
    cluster.create("secrets", {"metadata": {"name": "keys"}, "data": secret})
    wanted = [
        {"name": "GREETING", "value": "$(WHO) likes $(COLOR), pays $$(WHO) at $(NOBODY)"},
        {"name": "WHO", "value": "late"},
        {"name": "URL", "value": "tcp://$(ORDERS_DB_SERVICE_HOST):$(ORDERS_DB_SERVICE_PORT)/$(WHO)"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "no", "optional": True}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    source = [{"configMapRef": {"name": "settings"}}, {"prefix": "K_", "configMapRef": {"name": "settings"}}]
    cluster.create("pods", pod("shown", script(PRINT_ENV, env=wanted, envFrom=source)))
    found = json.loads(until(lambda: log_of(cluster, "shown"), "it printed its environment"))
    made = cluster.get("services", "orders-db")
    assert made is not None
    address = made["spec"]["clusterIP"]
    assert found["GREETING"] == "$(WHO) likes blue, pays $(WHO) at $(NOBODY)"
    assert found["URL"] == f"tcp://{address}:15432/late"
    assert (found["COLOR"], found["K_COLOR"], found["TOKEN"], found["APP"]) == (
        "blue",
        "blue",
        "hush",
        "shown",
    )
    assert found["ORDERS_DB_PORT_15432_TCP_ADDR"] == address
    assert found["HOSTNAME"] == "shown"
    assert "NONE" not in found
    assert found["IP"] == status(cluster, "shown")["podIP"]


def test_a_missing_config_map_holds_the_container_until_it_appears(cluster: NodeCluster) -> None:
    source = [{"configMapRef": {"name": "settings"}}]
    cluster.create("pods", pod("waits", script(PRINT_ENV, envFrom=source)))
    until(lambda: waiting(cluster, "waits") == "CreateContainerConfigError", "it says what is wrong")
    cluster.create("configmaps", {"metadata": {"name": "settings"}, "data": {"COLOR": "blue"}})
    until(lambda: '"COLOR": "blue"' in log_of(cluster, "waits"), "it starts")


def test_volumes_are_folders_that_follow_their_config_map(cluster: NodeCluster) -> None:
    cluster.create("configmaps", {"metadata": {"name": "settings"}, "data": {"a.txt": "one"}})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.create("persistentvolumeclaims", {"metadata": {"name": "disk"}, "spec": claim})
    volumes = [
        {"name": "files", "configMap": {"name": "settings"}},
        {"name": "empty", "emptyDir": {}},
        {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}},
        {"name": "me", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    write = "import os, pathlib; v = pathlib.Path(os.environ['DEVCLUSTER_VOLUMES']); print(v);"
    write += "(v / 'disk' / 'kept').write_text('x'); (v / 'empty' / 'gone').write_text('x');"
    cluster.create("pods", pod("reads", script(write + SLEEP), volumes=volumes))
    folder = Path(until(lambda: log_of(cluster, "reads"), "it printed the folder").strip())
    assert (folder / "files" / "a.txt").read_text() == "one"
    assert (folder / "me" / "n").read_text() == "reads"
    cluster.patch("configmaps", "settings", {"data": {"a.txt": "two"}})
    until(lambda: (folder / "files" / "a.txt").read_text() == "two", "the file follows")
    disk = (folder / "disk").resolve()
    delete(cluster, "reads")
    assert (disk / "kept").exists()
    assert not folder.exists()


def test_a_crashing_container_backs_off_and_keeps_its_last_words(cluster: NodeCluster) -> None:
    cluster.create("pods", pod("crash", script("print('why'); raise SystemExit(3)")))
    until(lambda: waiting(cluster, "crash") == "CrashLoopBackOff", "it backs off")
    until(lambda: container(cluster, "crash")["restartCount"] >= 2, "it is started again")
    found = container(cluster, "crash")
    assert found["lastState"]["terminated"]["exitCode"] == 3
    assert found["lastState"]["terminated"]["reason"] == "Error"
    assert cluster.logs("crash", "main", previous="true") == "why\n"
    assert status(cluster, "crash")["phase"] == "Running"
    assert "BackOff" in cluster.reasons()


def test_a_command_that_does_not_exist_is_a_start_error(cluster: NodeCluster) -> None:
    cluster.create("pods", pod("typo", {"name": "main", "image": "host", "command": ["pyhton"]}))
    until(lambda: container(cluster, "typo").get("lastState"), "it failed")
    ended = container(cluster, "typo")["lastState"]["terminated"]
    assert ended["reason"] == "StartError"
    assert "pyhton" in ended["message"]


def test_restart_policies_decide_the_phase(cluster: NodeCluster) -> None:
    cluster.create("pods", pod("good", script("pass"), restartPolicy="Never"))
    cluster.create("pods", pod("bad", script("raise SystemExit(2)"), restartPolicy="Never"))
    twice = "import os; os.path.exists('x') or open('x', 'w').close() or exit(1)"
    cluster.create("pods", pod("again", script(twice), restartPolicy="OnFailure"))
    phases = {"good": "Succeeded", "bad": "Failed", "again": "Succeeded"}
    for name, phase in phases.items():
        until(lambda: status(cluster, name).get("phase") == phase, f"{name} is {phase}")  # noqa: B023
    assert container(cluster, "bad")["state"]["terminated"]["exitCode"] == 2
    assert container(cluster, "again")["restartCount"] == 1


def test_init_containers_run_in_order_before_the_others(cluster: NodeCluster) -> None:
    folder = "import os, pathlib; p = pathlib.Path(os.environ['DEVCLUSTER_VOLUMES'], 'v', 'order');"
    note = folder + "p.open('a').write(os.environ['N'])"
    steps = [{**script(note, env=[{"name": "N", "value": n}]), "name": f"init-{n}"} for n in "ab"]
    main = script(folder + "print(p.read_text());" + SLEEP)
    volumes = [{"name": "v", "emptyDir": {}}]
    cluster.create("pods", pod("ordered", main, initContainers=steps, volumes=volumes))
    assert until(lambda: log_of(cluster, "ordered"), "it printed") == "ab\n"
    assert condition(found(cluster, "ordered"), "Initialized") == "True"


def test_a_failing_init_container_holds_the_pod_back(cluster: NodeCluster) -> None:
    fails = {**script("raise SystemExit(1)"), "name": "init"}
    cluster.create("pods", pod("stuck", script(SLEEP), initContainers=[fails]))
    until(lambda: init(cluster, "stuck").get("restartCount", 0) >= 1, "the init container is tried again")
    assert status(cluster, "stuck")["phase"] == "Pending"
    assert "running" not in container(cluster, "stuck")["state"]


def test_a_native_sidecar_starts_first_and_ends_with_the_pod(cluster: NodeCluster) -> None:
    sidecar = {**script(SLEEP), "name": "sidecar", "restartPolicy": "Always"}
    cluster.create("pods", pod("job", script("pass"), initContainers=[sidecar], restartPolicy="Never"))
    until(lambda: status(cluster, "job").get("phase") == "Succeeded", "the pod is done")
    until(lambda: "terminated" in init(cluster, "job")["state"], "the sidecar has ended")


def test_containers_of_a_pod_share_the_address(cluster: NodeCluster, web: Web) -> None:
    ask = "import os, urllib.request as u; print(u.urlopen(f'http://{os.environ[\"IP\"]}:8080').status);"
    ip = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    cluster.create("pods", pod("pair", web(), {**script(ask + SLEEP, env=ip), "name": "asks"}))
    until(
        lambda: cluster.ready_pods("pair") and log_of(cluster, "pair", "asks") == "200\n", "it was answered"
    )


def test_a_failed_liveness_probe_restarts_the_container(
    cluster: NodeCluster, web: Web, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    get = {"path": "/healthz", "port": "http"}
    alive = {"httpGet": get, "periodSeconds": 1, "failureThreshold": 2}
    cluster.create("pods", pod("shop", web(env=env(BROKEN=str(broken)), livenessProbe=alive)))
    until(lambda: cluster.ready_pods("shop"), "it is ready")
    broken.touch()
    until(lambda: not cluster.ready_pods("shop"), "it is not ready")
    until(lambda: container(cluster, "shop")["restartCount"] == 1, "it is restarted")
    broken.unlink()
    until(lambda: cluster.ready_pods("shop"), "it is ready again")
    assert {"Unhealthy", "Killing"} <= cluster.reasons()


def test_exec_and_tcp_probes_gate_readiness(cluster: NodeCluster, web: Web, tmp_path: Path) -> None:
    begun, ready = tmp_path / "begun", tmp_path / "ready"
    probes = {
        "startupProbe": {"exec": {"command": ["test", "-e", str(begun)]}, "failureThreshold": 60},
        "readinessProbe": {"exec": {"command": ["test", "-e", str(ready)]}, "periodSeconds": 1},
        "livenessProbe": {"tcpSocket": {"port": 8080}},
    }
    cluster.create("pods", pod("gated", web(**probes)))
    until(lambda: "running" in container(cluster, "gated")["state"], "it runs")
    ready.touch()
    assert container(cluster, "gated")["started"] is False
    assert not cluster.ready_pods("gated")
    ready.unlink()
    begun.touch()
    until(lambda: container(cluster, "gated")["started"], "it has started")
    assert not cluster.ready_pods("gated")
    ready.touch()
    until(lambda: cluster.ready_pods("gated"), "it is ready")


GRPC = """
import concurrent.futures, grpc, os, sys
class Health(grpc.GenericRpcHandler):
    def service(self, call):
        good = call.method == "/grpc.health.v1.Health/Check"
        status = b"\\x08\\x01" if os.path.exists(sys.argv[1]) else b"\\x08\\x02"
        return grpc.unary_unary_rpc_method_handler(lambda request, _: status) if good else None
server = grpc.server(concurrent.futures.ThreadPoolExecutor())
server.add_generic_rpc_handlers([Health()])
server.add_insecure_port(os.environ["POD_IP"] + ":9000")
server.start()
server.wait_for_termination()
"""


def test_a_grpc_health_service_is_asked(cluster: NodeCluster, tmp_path: Path) -> None:
    healthy = tmp_path / "healthy"
    probe = {"grpc": {"port": 9000}, "periodSeconds": 1}
    server = script(GRPC, env=env(), readinessProbe=probe)
    server["command"].append(str(healthy))
    cluster.create("pods", pod("rpc", server))
    until(lambda: "not SERVING" in str(cluster.list("events")), "it says that it does not serve")
    healthy.touch()
    until(lambda: cluster.ready_pods("rpc"), "it is ready")


def test_programs_of_the_own_environment_are_found(cluster: NodeCluster) -> None:
    envoy = {"name": "main", "image": "host", "command": ["envoy", "--version"]}
    cluster.create("pods", pod("envoy", envoy, restartPolicy="Never"))
    until(lambda: status(cluster, "envoy").get("phase") == "Succeeded", "it ran")
    assert "version" in log_of(cluster, "envoy")


def test_an_end_can_be_hastened(cluster: NodeCluster) -> None:
    text = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up');"
    cluster.create("pods", pod("slow", script(text + SLEEP), terminationGracePeriodSeconds=600))
    until(lambda: log_of(cluster, "slow"), "it is up")
    cluster.delete("pods", "slow")
    source = cluster.api.processes_source
    assert source is not None
    assert "default/slow" in cluster.do(source)
    cluster.delete("pods", "slow", grace=0)
    until(lambda: "default/slow" not in cluster.do(source), "its process is gone")


def test_the_end_is_graceful(cluster: NodeCluster, tmp_path: Path) -> None:
    words = tmp_path / "words"
    says = f"open({str(words)!r}, 'a').write"
    text = "import signal, sys\n"
    text += f"signal.signal(signal.SIGTERM, lambda *_: ({says}('term'), sys.exit()))\nprint('up')\n"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", f"printf stop- >> {words}"]}}}
    cluster.create("pods", pod("polite", script(text + "signal.pause()", lifecycle=hook)))
    until(lambda: log_of(cluster, "polite"), "it is up")
    delete(cluster, "polite")
    assert words.read_text() == "stop-term"


def test_who_ignores_sigterm_is_killed_with_its_children(cluster: NodeCluster) -> None:
    text = "import os, signal, subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    text += "own = subprocess.Popen(['setsid', 'sleep', '1000'])\nprint(os.getpid(), own.pid, flush=True)\n"
    stubborn = pod("stubborn", script(text + "signal.pause()"), terminationGracePeriodSeconds=1)
    cluster.create("pods", stubborn)
    pids = [int(p) for p in until(lambda: log_of(cluster, "stubborn"), "it is up").split()]
    assert all(alive(pid) for pid in pids)
    delete(cluster, "stubborn")
    until(lambda: not any(alive(pid) for pid in pids), "all its processes are gone")


def test_images_that_cannot_be_had_say_so(cluster: NodeCluster, shop: Shop, web: Web, tmp_path: Path) -> None:
    repository = tmp_path / "later"
    missing = f"git+{repository}@{'0' * 40}#web"
    cluster.create("pods", pod("early", web(image=missing)))
    until(lambda: waiting(cluster, "early") == "ImagePullBackOff", "it says that the image is missing")
    sha = make_repository(repository, {"web/server.py": (shop.repository / "web/server.py").read_text()})
    commit(repository, {"other": "x"})
    cluster.create("pods", pod("shop", web(image=f"git+{repository}@{sha}#web")))
    until(lambda: cluster.ready_pods("shop"), "a commit that is not a branch's tip can be used")
    cluster.create("pods", pod("wrong", web(image="docker.io/nginx:1")))
    until(lambda: waiting(cluster, "wrong") == "InvalidImageName", "another form is refused")
    message = container(cluster, "wrong")["state"]["waiting"]["message"]
    assert "git+PATH_OR_URL@SHA#SUBDIR" in message


def test_an_image_that_appears_later_starts_the_pod(cluster: NodeCluster, web: Web, tmp_path: Path) -> None:
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "place"
    sha = make_repository(elsewhere, {"web/server.py": "import signal; signal.pause()"})
    cluster.create("pods", pod("early", web(image=f"git+{place}@{sha}#web", readinessProbe=None)))
    until(lambda: waiting(cluster, "early") in ("ErrImagePull", "ImagePullBackOff"), "it waits")
    elsewhere.rename(place)
    until(lambda: cluster.ready_pods("early"), "it runs")


def test_logs_can_be_cut_stamped_and_followed(cluster: NodeCluster, tmp_path: Path) -> None:
    more = tmp_path / "more"
    text = "import os, time\nfor n in range(5): print('line', n)\n"
    text += f"while not os.path.exists({str(more)!r}): time.sleep(0.01)\nprint('end')"
    cluster.create("pods", pod("talks", script(text), restartPolicy="Never"))
    until(lambda: log_of(cluster, "talks").count("\n") == 5, "it talked")
    assert cluster.logs("talks", "main", tailLines="2") == "line 3\nline 4\n"
    assert cluster.logs("talks", "main", limitBytes="4") == "line"
    stamp = cluster.logs("talks", "main", timestamps="true", tailLines="1").split(" ", 1)[0]
    assert stamp.endswith("Z")
    assert cluster.logs("talks", "main", sinceTime=stamp) == "line 4\n"
    more.touch()
    assert cluster.logs("talks", "main", follow="true").endswith("end\n")


def test_a_log_that_is_not_there_is_explained(cluster: NodeCluster) -> None:
    two = [{**script(SLEEP), "name": name} for name in ("one", "two")]
    cluster.create("pods", pod("double", *two))
    until(lambda: cluster.ready_pods("double"), "it runs")
    for container, why in (("", r"choose one of: \[one two\]"), ("three", "container three is not valid")):
        with pytest.raises(ApiError, match=why):
            cluster.logs("double", container)
    with pytest.raises(ApiError, match="previous terminated container"):
        cluster.logs("double", "one", previous="true")


def test_processes_are_known_by_pod(cluster: NodeCluster, web: Web) -> None:
    cluster.create("pods", pod("shop", web()))
    until(lambda: cluster.ready_pods("shop"), "it is ready")
    source = cluster.api.processes_source
    assert source is not None
    (pid,) = cluster.do(source)["default/shop"]
    assert b"server.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert '"pod": "shop"' in fetch(f"http://{status(cluster, 'shop')['podIP']}:8080/")


def found(cluster: NodeCluster, name: str) -> Object:
    return cluster.get("pods", name) or {}


def status(cluster: NodeCluster, name: str) -> Object:
    state: Object = found(cluster, name).get("status") or {}
    return state


def container(cluster: NodeCluster, name: str) -> Object:
    statuses = status(cluster, name).get("containerStatuses") or [{"state": {}, "restartCount": 0}]
    first: Object = statuses[0]
    return first


def init(cluster: NodeCluster, name: str) -> Object:
    statuses = status(cluster, name).get("initContainerStatuses") or [{"state": {}}]
    first: Object = statuses[0]
    return first


def waiting(cluster: NodeCluster, name: str) -> str:
    return str(container(cluster, name)["state"].get("waiting", {}).get("reason", ""))


def log_of(cluster: NodeCluster, name: str, of: str = "main") -> str:
    """The container's log; empty while it has none."""
    try:
        return cluster.logs(name, of)
    except ApiError as error:
        assert error.code == 400, error
        return ""


def delete(cluster: NodeCluster, name: str) -> None:
    cluster.delete("pods", name)
    until(lambda: cluster.get("pods", name) is None, f"{name} is gone")


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
