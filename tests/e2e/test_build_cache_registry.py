# SPDX-License-Identifier: Apache-2.0
"""cache_from and cache_to: a plain image that registries take, a build that fetches nothing, and registries that misbehave."""

import json
import os
import re
import subprocess

import pytest

from build_context import Context
from fault_registry import FaultRegistry, digest
from images import Image

DOCKERFILE = """FROM {host}/base:1 AS build
COPY d /d
WORKDIR /w
FROM {host}/base:1
COPY --from=build /d /got
COPY big /big
"""


@pytest.fixture
def context(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    context.write("big", os.urandom(100000))
    for i in range(3):
        context.write(f"d/f{i}", f"{i}\n")
    return context


@pytest.fixture
def registry():
    with FaultRegistry() as r:
        r.add_image("base", "1", Image({"bin/tool": os.urandom(50000)}))
        yield r


class Machine:
    """One more machine: an empty cache."""
    count = 0

    def __new__(cls, context):
        cls.count += 1
        return {"XDG_CACHE_HOME": str(context.folder / f"machine{cls.count}")}


def build(context, registry, env=None, tag="v1", dockerfile=DOCKERFILE, **params):
    cache = f"{registry.host}/app:cache"
    registry.seen.clear()
    return context.build(dockerfile.format(host=registry.host), env=env, layout=None, push=True, tags=[f"{registry.host}/app:{tag}"],
                         **{"cache_from": [cache], "cache_to": cache, **params})


def fetched(registry):
    """Digests of the blobs that were fetched."""
    return [r.target.rpartition("/")[2] for r in registry.seen if r.method == "GET" and "/blobs/" in r.target]


def sent(registry):
    return [r.target for r in registry.seen if r.method in ("PUT", "PATCH")]


def configs(registry):
    return [json.loads(data)["config"]["digest"] for _, data in registry.manifests.values()]


def test_a_full_hit_on_an_empty_machine_fetches_two_configs_and_sends_one_manifest(context, registry):
    build(context, registry)
    assert "there is nothing yet" in context.text and "cache_to" in context.text
    first = registry.manifests["app", "v1"]
    build(context, registry, env=Machine(context), tag="v2")
    assert context.cached == 4
    assert set(fetched(registry)) <= set(configs(registry)) and len(fetched(registry)) == 2  # of the base, of the cache
    assert sent(registry) == ["/v2/app/manifests/v2"]
    assert registry.manifests["app", "v2"] == first


def test_the_cache_is_an_image_like_any_other(context, registry):
    build(context, registry)
    kind, data = registry.manifests["app", "cache"]
    manifest = json.loads(data)
    config = json.loads(registry.blobs[manifest["config"]["digest"]])
    assert kind == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == 5  # those of the steps, and the names in all layers; no base layers
    seen = json.loads(subprocess.run(["skopeo", "inspect", "--no-tags", "--tls-verify=false", f"docker://{registry.host}/app:cache"],
                                     capture_output=True, check=True).stdout)
    assert len(seen["Layers"]) == 5
    before = data
    build(context, registry, env=Machine(context))
    assert registry.manifests["app", "cache"][1] == before and "unchanged" in context.text


def test_an_edited_file_with_a_registry_cache_alone(context, registry):
    build(context, registry)
    context.write("big", os.urandom(100000))
    build(context, registry, env=Machine(context), tag="v2")
    assert context.cached == 3
    layers = json.loads(registry.manifests["app", "v2"][1])["layers"]
    assert layers[1]["digest"] not in fetched(registry)  # COPY --from's layer was taken as it is
    assert not {layer["digest"] for layer in layers} & set(fetched(registry))  # nor was the base
    assert len([t for t in sent(registry) if t.startswith("/uploads/")]) == 4  # a layer, the config, the cache's config and indexes


def test_a_layout_gets_its_layers_from_the_cache(context, registry):
    build(context, registry)
    cache = f"{registry.host}/app:cache"
    image = context.build(env=Machine(context), cache_from=[cache])
    assert context.cached == 4
    assert "got/f1" in image.describe()
    assert digest(registry.manifests["app", "v1"][1]) == context.digest


def test_a_cache_that_lost_a_layer_is_built_around(context, registry):
    build(context, registry)
    lost = json.loads(registry.manifests["app", "v1"][1])["layers"][-1]["digest"]
    registry.members.discard(("app", lost))
    image = context.build(env=Machine(context), cache_from=[f"{registry.host}/app:cache"])
    assert "cache_from promised a layer that could not be had" in context.text
    assert "got/f1" in image.describe() and digest(registry.manifests["app", "v1"][1]) == context.digest


@pytest.mark.parametrize("path, fault, words", [
    (r"/manifests/cache", {"status": 500, "body": b'{"errors":[{"code":"UNKNOWN","message":"disk on fire"}]}'}, "disk on fire"),
    (r"/manifests/cache", {"status": 403, "body": b'{"errors":[{"code":"DENIED","message":"not yours"}]}'}, "DENIED: not yours"),
    (r"/manifests/cache", {"change": lambda data: b"garbage"}, "cache_from"),
    (r"/manifests/cache", {"change": lambda data: data.replace(b"layers", b"levels")}, "cache_from"),
])
def test_a_cache_that_cannot_be_read_or_written_is_a_warning(context, registry, path, fault, words):
    build(context, registry)
    good = registry.manifests["app", "v1"]
    registry.fault("GET|PUT", path, times=1000, **fault)
    build(context, registry, env=Machine(context), tag="v2")
    assert words in context.text and "the build goes on without it" in context.text
    assert registry.manifests["app", "v2"] == good


def test_records_that_lie_are_no_hits(context, registry):
    build(context, registry)
    good = registry.manifests["app", "v1"]
    manifest = json.loads(registry.manifests["app", "cache"][1])
    config = json.loads(registry.blobs[manifest["config"]["digest"]])
    for i, record in enumerate(config["runner.oci-build.cache"]["records"]):
        record["layer"] = [99, -1, "x"][i % 3]
    changed = json.dumps(config).encode()
    registry.blobs[digest(changed)] = changed
    registry.members.add(("app", digest(changed)))
    manifest["config"].update(digest=digest(changed), size=len(changed))
    data = json.dumps(manifest).encode()
    registry.manifests["app", "cache"] = (registry.manifests["app", "cache"][0], data)
    build(context, registry, env=Machine(context), tag="v2")
    assert context.cached == 0 and registry.manifests["app", "v2"] == good


def test_an_image_that_is_no_cache_is_said(context, registry):
    context.build(f"FROM {registry.host}/base:1\nCOPY d /d\n", cache_from=[f"{registry.host}/base:1"])
    assert "no cache of this program" in context.text


def test_cache_parameters_are_checked_before_anything_runs(context):
    result = context.build("FROM scratch\nCOPY d /d\n", code=None, cache_to="example.com/UPPER:1")
    assert result.code and "cache_to" in result.text
    result = context.build(code=None, cache_from=["example.com/a:b:c"])
    assert result.code and "cache_from" in result.text


def test_ecr_as_the_local_cloud_has_it_keeps_a_cache(context, cloud):
    cloud.client("ecr").create_repository(repositoryName="app")
    token = cloud.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    config = context.folder / "docker"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"auths": {cloud.host: {"auth": token}}}))
    env = {"DOCKER_CONFIG": str(config)}
    tag = {"push": True, "layout": None, "tags": [f"{cloud.host}/app:v1"], "cache_from": [f"{cloud.host}/app:cache"], "cache_to": f"{cloud.host}/app:cache"}
    context.build("FROM scratch\nCOPY d /d\nCOPY big /\n", env=env, **tag)
    context.build(env={**env, **Machine(context)}, **tag)
    assert context.cached == 2 and "unchanged" in context.text
    assert not re.search("goes on without", context.text)


def test_docker_registry_keeps_a_cache(context, tmp_path):
    import harness
    registry = harness.Registry(tmp_path)
    try:
        given = {"push": True, "layout": None, "tags": [f"{registry.host}/app:v1"], "cache_from": [f"{registry.host}/cache:x"], "cache_to": f"{registry.host}/cache:x"}
        context.build(f"FROM {registry.base}\nCOPY d /d\nCOPY big /\n", env=Machine(context), **given)
        context.build(env=Machine(context), **{**given, "tags": [f"{registry.host}/other:v1"]})
        assert context.cached == 2 and "goes on without" not in context.text
        seen = json.loads(subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{registry.host}/other:v1"],
                                         capture_output=True, check=True).stdout)
        assert len(seen["Layers"]) == 3
    finally:
        registry.close()


def test_a_base_image_is_asked_for_once_a_run_and_only_confirmed_the_next_time(context, registry):
    dockerfile = f"FROM {registry.host}/base:1 AS one\nCOPY d /d\nFROM {registry.host}/base:1 AS two\nCOPY d /e\nFROM one\nCOPY --from=two /e /e\n"

    def asked():
        return [(r.method, r.target.partition("/base/")[2]) for r in registry.seen if "/base/manifests/" in r.target]

    context.build(dockerfile)
    assert asked() == [("GET", "manifests/1")]
    registry.seen.clear()
    context.build()
    assert asked() == [("HEAD", "manifests/1")] and context.cached == 3
    registry.add_image("base", "1", Image({"bin/other": b"new"}))
    registry.seen.clear()
    context.build()
    assert [m for m, _ in asked()] == ["HEAD", "GET"] and context.cached == 0
    registry.seen.clear()
    context.build(pull=False)
    assert not asked() and context.cached == 3
