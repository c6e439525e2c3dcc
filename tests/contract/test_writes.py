"""Creating, reading, updating and patching."""

from __future__ import annotations

from tests.support.apiserver import JSON_PATCH, STRATEGIC, Cluster, config_map, deployment, fields, service


def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def deployments(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def test_a_created_object_gets_what_the_server_sets(cluster: Cluster, namespace: str) -> None:
    made = cluster.post(maps(namespace), config_map("a", x="1"))
    meta = made["metadata"]
    assert {"uid", "resourceVersion", "creationTimestamp", "managedFields"} <= set(meta)
    assert (meta["name"], meta["namespace"], "generation" in meta) == ("a", namespace, False)
    assert cluster.get(f"{maps(namespace)}/a") == made


def test_creating_twice_is_already_exists(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a"))
    status = cluster.post(maps(namespace), config_map("a"), expect=409)
    assert (status["kind"], status["reason"], status["code"]) == ("Status", "AlreadyExists", 409)
    assert status["details"] == {"name": "a", "kind": "configmaps"}
    assert status["message"] == 'configmaps "a" already exists'


def test_a_name_is_generated_from_a_prefix(cluster: Cluster, namespace: str) -> None:
    made = cluster.post(maps(namespace), {"metadata": {"generateName": "run-"}})
    assert made["metadata"]["name"].startswith("run-")
    assert len(made["metadata"]["name"]) == len("run-") + 5


def test_what_is_absent_is_not_found(cluster: Cluster, namespace: str) -> None:
    status = cluster.get(f"{maps(namespace)}/absent", expect=404)
    assert (status["reason"], status["message"]) == ("NotFound", 'configmaps "absent" not found')
    status = cluster.get(f"{deployments(namespace)}/absent", expect=404)
    assert status["message"] == 'deployments.apps "absent" not found'
    assert status["details"] == {"name": "absent", "group": "apps", "kind": "deployments"}


def test_an_unknown_kind_is_not_found(cluster: Cluster, namespace: str) -> None:
    assert cluster.send("GET", f"/api/v1/namespaces/{namespace}/gadgets").status_code == 404
    assert cluster.send("GET", f"/apis/nowhere.example/v1/namespaces/{namespace}/gadgets").status_code == 404


def test_a_namespace_that_does_not_exist_takes_nothing(cluster: Cluster) -> None:
    status = cluster.post(maps("no-such-namespace"), config_map("a"), expect=404)
    assert status["message"] == 'namespaces "no-such-namespace" not found'


def test_another_kind_in_the_body_is_a_bad_request(cluster: Cluster, namespace: str) -> None:
    status = cluster.post(maps(namespace), {**config_map("a"), "kind": "Secret"}, expect=400)
    assert status["reason"] == "BadRequest"


def test_an_object_of_another_namespace_is_a_bad_request(cluster: Cluster, namespace: str) -> None:
    other = {"metadata": {"name": "a", "namespace": "kube-public"}}
    assert cluster.post(maps(namespace), other, expect=400)["reason"] == "BadRequest"


def test_a_body_that_is_not_json_is_a_bad_request(cluster: Cluster, namespace: str) -> None:
    assert cluster.send("POST", maps(namespace), b"{nonsense").status_code == 400


def test_a_value_of_the_wrong_type_is_a_bad_request(cluster: Cluster, namespace: str) -> None:
    status = cluster.post(deployments(namespace), deployment(replicas="many"), expect=400)
    assert "cannot be handled as a Deployment" in status["message"]
    assert "replicas" in status["message"]


def test_an_unknown_patch_type_is_unsupported(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a"))
    status = cluster.patch(f"{maps(namespace)}/a", {}, "application/x-unknown", expect=415)
    assert status["reason"] == "UnsupportedMediaType"


def test_an_update_with_a_stale_version_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    first = cluster.post(maps(namespace), config_map("a", x="1"))
    cluster.put(f"{maps(namespace)}/a", {**first, "data": {"x": "2"}})
    status = cluster.put(f"{maps(namespace)}/a", {**first, "data": {"x": "3"}}, expect=409)
    assert status["reason"] == "Conflict"
    assert "the object has been modified" in status["message"]


def test_a_patch_with_a_stale_version_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    first = cluster.post(maps(namespace), config_map("a", x="1"))
    cluster.patch(f"{maps(namespace)}/a", {"data": {"x": "2"}})
    stale = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"x": "3"}}
    assert cluster.patch(f"{maps(namespace)}/a", stale, expect=409)["reason"] == "Conflict"


def test_an_update_of_something_else_with_the_same_name_is_a_conflict(
    cluster: Cluster, namespace: str
) -> None:
    first = cluster.post(maps(namespace), config_map("a"))
    first["metadata"] |= {"uid": "11111111-2222-3333-4444-555555555555"}
    assert cluster.put(f"{maps(namespace)}/a", first, expect=409)["reason"] == "Conflict"


def test_the_name_cannot_change(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a"))
    assert cluster.put(f"{maps(namespace)}/a", config_map("b"), expect=400)["reason"] == "BadRequest"


def test_what_changes_nothing_keeps_the_version(cluster: Cluster, namespace: str) -> None:
    first = cluster.post(maps(namespace), config_map("a", x="1"))
    again = cluster.patch(f"{maps(namespace)}/a", {"data": {"x": "1"}})
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_server_set_fields_cannot_be_changed(cluster: Cluster, namespace: str) -> None:
    first = cluster.post(maps(namespace), config_map("a"))
    changed = {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "labels": {"x": "y"}}}
    after = cluster.patch(f"{maps(namespace)}/a", changed)
    assert after["metadata"]["creationTimestamp"] == first["metadata"]["creationTimestamp"]


def test_the_generation_follows_the_spec_alone(cluster: Cluster, namespace: str) -> None:
    path = f"{deployments(namespace)}/web"
    assert cluster.post(deployments(namespace), deployment(paused=True))["metadata"]["generation"] == 1
    labelled = cluster.patch(path, {"metadata": {"labels": {"x": "y"}}})
    assert labelled["metadata"]["generation"] == 1
    assert cluster.patch(path, {"spec": {"minReadySeconds": 3}})["metadata"]["generation"] == 2


def test_status_and_spec_are_written_apart(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"nobody": "matches"}}}
    made = cluster.post(path, {"metadata": {"name": "b"}, "spec": spec, "status": {"expectedPods": 9}})
    assert (made.get("status") or {}).get("expectedPods", 0) == 0
    generation = made["metadata"]["generation"]
    both = {"spec": {"minAvailable": 2}, "status": {"observedGeneration": 77}}
    after = cluster.patch(f"{path}/b/status", both)
    assert (after["spec"]["minAvailable"], after["metadata"]["generation"]) == (1, generation)
    assert after["status"]["observedGeneration"] == 77
    assert cluster.patch(f"{path}/b", both)["spec"]["minAvailable"] == 2


def test_defaults_are_filled_in(cluster: Cluster, namespace: str) -> None:
    spec = cluster.post(deployments(namespace), deployment())["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    pod = spec["template"]["spec"]
    assert {key: value for key, value in pod.items() if key != "containers"} == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    assert pod["containers"] == [
        {
            "name": "app",
            "image": "example.invalid/web:1",
            "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }
    ]


def test_probe_and_volume_defaults_are_filled_in(cluster: Cluster, namespace: str) -> None:
    body = deployment()
    spec = body["spec"]["template"]["spec"]
    spec["containers"][0]["readinessProbe"] = {"httpGet": {"port": 8080}}
    spec["volumes"] = [
        {"name": "c", "configMap": {"name": "x"}},
        {"name": "s", "secret": {"secretName": "x"}},
    ]
    made = cluster.post(deployments(namespace), body)["spec"]["template"]["spec"]
    assert made["containers"][0]["readinessProbe"] == {
        "httpGet": {"port": 8080, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert [
        volume[kind]["defaultMode"]
        for volume, kind in zip(made["volumes"], ("configMap", "secret"), strict=True)
    ] == [420, 420]


def test_a_service_gets_an_address_that_stays(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    made = cluster.post(path, service())
    spec = made["spec"]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert {key: spec[key] for key in spec if not key.startswith("clusterIP")} == {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "selector": {"app": "web"},
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }
    replaced = cluster.put(f"{path}/web", service(ports=[{"port": 81}]))
    assert replaced["spec"]["clusterIP"] == spec["clusterIP"]
    other = cluster.post(path, service("other"))
    assert other["spec"]["clusterIP"] != spec["clusterIP"]
    status = cluster.patch(f"{path}/web", {"spec": {"clusterIP": other["spec"]["clusterIP"]}}, expect=422)
    assert status["details"]["causes"][0]["field"].startswith("spec.clusterIP")


def test_a_headless_service_gets_no_address(cluster: Cluster, namespace: str) -> None:
    made = cluster.post(f"/api/v1/namespaces/{namespace}/services", service(clusterIP="None"))
    assert (made["spec"]["clusterIP"], made["spec"]["clusterIPs"]) == ("None", ["None"])


def test_a_node_port_service_gets_ports_that_stay(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    port = cluster.post(path, service(type="NodePort"))["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    again = cluster.put(f"{path}/web", service(type="NodePort"))
    assert again["spec"]["ports"][0]["nodePort"] == port
    assert "nodePort" not in cluster.patch(f"{path}/web", {"spec": {"type": "ClusterIP"}})["spec"]["ports"][0]


def test_plain_text_secrets_are_encoded(cluster: Cluster, namespace: str) -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"word": "open"}}
    made = cluster.post(f"/api/v1/namespaces/{namespace}/secrets", body)
    assert (made["data"], made["type"], "stringData" in made) == ({"word": "b3Blbg=="}, "Opaque", False)


def test_merge_patch_removes_by_null_and_replaces_lists(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a", x="1", y="2"))
    after = cluster.patch(f"{maps(namespace)}/a", {"data": {"x": None, "z": "3"}})
    assert after["data"] == {"y": "2", "z": "3"}


def test_json_patch_tests_before_it_changes(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a", x="1"))
    path = f"{maps(namespace)}/a"
    replace = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "replace", "path": "/data/x", "value": "2"},
    ]
    assert cluster.patch(path, replace, JSON_PATCH)["data"] == {"x": "2"}
    assert cluster.patch(path, replace, JSON_PATCH, expect=422)["reason"] == "Invalid"
    assert cluster.patch(path, [{"op": "remove", "path": "/data/absent"}], JSON_PATCH, expect=422)


def test_strategic_merge_merges_lists_by_key(cluster: Cluster, namespace: str) -> None:
    cluster.post(deployments(namespace), deployment())
    path = f"{deployments(namespace)}/web"
    change = {
        "containers": [
            {"name": "app", "image": "example.invalid/web:2", "env": [{"name": "A", "value": "1"}]}
        ]
    }
    after = cluster.patch(path, {"spec": {"template": {"spec": change}}}, STRATEGIC)
    (container,) = after["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["ports"][0]["containerPort"]) == ("example.invalid/web:2", 8080)
    change = {
        "containers": [
            {"name": "app", "env": [{"name": "A", "$patch": "delete"}, {"name": "B", "value": "2"}]}
        ]
    }
    after = cluster.patch(path, {"spec": {"template": {"spec": change}}}, STRATEGIC)
    assert after["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "B", "value": "2"}]


def test_strategic_merge_keeps_only_the_keys_that_it_retains(cluster: Cluster, namespace: str) -> None:
    cluster.post(deployments(namespace), deployment())
    change = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    after = cluster.patch(f"{deployments(namespace)}/web", change, STRATEGIC)
    assert after["spec"]["strategy"] == {"type": "Recreate"}


def test_a_dry_run_answers_as_the_real_thing_and_changes_nothing(cluster: Cluster, namespace: str) -> None:
    made = cluster.post(maps(namespace), config_map("a"), dryRun="All")
    assert made["metadata"]["uid"]
    cluster.get(f"{maps(namespace)}/a", expect=404)
    cluster.post(maps(namespace), config_map("b", x="1"))
    assert cluster.patch(f"{maps(namespace)}/b", {"data": {"x": "2"}}, dryRun="All")["data"] == {"x": "2"}
    cluster.delete(f"{maps(namespace)}/b", dryRun="All", expect=200)
    assert cluster.get(f"{maps(namespace)}/b")["data"] == {"x": "1"}


def test_unknown_fields_are_refused_warned_of_or_dropped(cluster: Cluster, namespace: str) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["imagee"] = "typo"
    path = "spec.template.spec.containers[0].imagee"
    status = cluster.post(deployments(namespace), body, fieldValidation="Strict", expect=400)
    assert f'strict decoding error: unknown field "{path}"' in status["message"]
    answer = cluster.send("POST", deployments(namespace), body, fieldValidation="Warn", expect=201)
    assert answer.headers["warning"] == f'299 - "unknown field \\"{path}\\""'
    assert "imagee" not in answer.json()["spec"]["template"]["spec"]["containers"][0]


def test_a_field_given_twice_is_refused_when_strict(cluster: Cluster, namespace: str) -> None:
    body = b'{"metadata": {"name": "a"}, "data": {"x": "1"}, "data": {"x": "2"}}'
    answer = cluster.send("POST", maps(namespace), body, fieldValidation="Strict", expect=400)
    assert 'duplicate field "data"' in answer.json()["message"]


def test_scale_reads_and_writes_replicas(cluster: Cluster, namespace: str) -> None:
    cluster.post(deployments(namespace), deployment(paused=True))
    path = f"{deployments(namespace)}/web/scale"
    scale = cluster.get(path)
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {})
    assert scale["status"]["selector"] == "app=web"
    after = cluster.patch(path, {"spec": {"replicas": 2}})
    assert after["spec"] == {"replicas": 2}
    assert cluster.get(f"{deployments(namespace)}/web")["spec"]["replicas"] == 2
    cluster.put(path, {**after, "spec": {"replicas": 0}, "metadata": {"name": "web", "namespace": namespace}})
    assert cluster.get(f"{deployments(namespace)}/web")["spec"]["replicas"] == 0


def test_a_query_that_is_no_number_is_a_bad_request(cluster: Cluster, namespace: str) -> None:
    assert cluster.get(maps(namespace), limit="many", expect=400)["reason"] == "BadRequest"


def test_nulls_in_a_list_are_empty_values(cluster: Cluster, namespace: str) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"] = [None]
    status = cluster.post(deployments(namespace), body, expect=422)
    assert "spec.template.spec.containers[0].name" in fields(status)


def test_metadata_of_the_wrong_type_is_a_bad_request(cluster: Cluster, namespace: str) -> None:
    for meta in ("a", {"name": 5}, {"name": "a", "labels": {"x": 1}}, {"name": "a", "finalizers": "x"}):
        assert cluster.post(maps(namespace), {"metadata": meta}, expect=400)["reason"] == "BadRequest"


def test_a_version_cannot_be_created(cluster: Cluster, namespace: str) -> None:
    body = config_map("a")
    body["metadata"]["resourceVersion"] = "123"
    answer = cluster.send("POST", maps(namespace), body, expect=500)
    assert answer.json()["message"] == "resourceVersion should not be set on objects to be created"


def test_uid_and_namespace_cannot_be_patched(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a"))
    path = f"{maps(namespace)}/a"
    assert fields(cluster.patch(path, {"metadata": {"uid": "another"}}, expect=422)) == ["metadata.uid"]
    assert cluster.patch(path, {"metadata": {"namespace": "another"}}, expect=400)["reason"] == "BadRequest"


def test_managed_fields_can_be_cleared(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a", x="1"))
    after = cluster.patch(f"{maps(namespace)}/a", {"metadata": {"managedFields": []}})
    assert "managedFields" not in after["metadata"]


def test_a_verb_that_does_not_fit_its_path_is_not_allowed(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a"))
    assert cluster.post(f"{maps(namespace)}/a", config_map("a"), expect=405)["reason"] == "MethodNotAllowed"
    cluster.put(maps(namespace), config_map("a"), expect=405)
    cluster.patch(maps(namespace), {}, expect=405)


def test_an_empty_body_is_a_bad_request(cluster: Cluster, namespace: str) -> None:
    assert cluster.post(maps(namespace), None, expect=400)["reason"] == "BadRequest"


def test_malformed_options_are_refused(cluster: Cluster, namespace: str) -> None:
    assert (
        cluster.post(maps(namespace), config_map("a"), fieldValidation="Some", expect=422)["reason"]
        == "Invalid"
    )
    assert cluster.post(maps(namespace), config_map("a"), dryRun="Some", expect=422)["reason"] == "Invalid"
    cluster.get(maps(namespace), resourceVersion="abc", expect=400)
    cluster.post(maps(namespace), config_map("a"))
    cluster.delete(f"{maps(namespace)}/a", {"gracePeriodSeconds": "x"}, expect=400)
