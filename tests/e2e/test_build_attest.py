# SPDX-License-Identifier: Apache-2.0
"""SBOM and provenance as artifacts beside the image: in layouts, in registries with and without the referrers API."""

import hashlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from fault_registry import FaultRegistry, digest
from images import Image
from oci_context import Context, Layout

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))
import harness  # noqa: E402

SPDX = "application/spdx+json"
IN_TOTO = "application/vnd.in-toto+json"
FILES = {
    "etc/os-release": "ID=debian\nVERSION_ID=\"12\"\n",
    "var/lib/dpkg/status": "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\n\n",
    "usr/lib/python3/dist-packages/requests-2.31.0.dist-info/METADATA": "Name: requests\nVersion: 2.31.0\nLicense: Apache-2.0\n\ntext\n",
    "app/node_modules/@a/b/package.json": '{"name":"@a/b","version":"1.0.0"}',
    "app/node_modules/c/package.json": '{"name":"c","version":"2.0.0"}',
    "app/package.json": '{"name":"the-app-itself","version":"0.0.0"}',
}


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


def fill(context, extra=()):
    for name, text in {**FILES, **dict(extra)}.items():
        context.write(f"root/{name}", text)


DOCKERFILE = "FROM scratch\nARG TOKEN\nCOPY root /\nRUN_NOTHING\n".replace("RUN_NOTHING\n", "")


def artifacts(layout):
    """{artifactType: (manifest, document)} of a layout."""
    found = {}
    for entry in layout.index["manifests"]:
        if "artifactType" in entry:
            m = layout.json(entry)
            found[entry["artifactType"]] = m, json.loads(layout.blob(m["layers"][0]["digest"]))
    return found


def test_a_layout_has_both_and_they_name_the_image(context):
    fill(context)
    context.build(DOCKERFILE, layout="layout", sbom=True, provenance=True, tags=["example.com/app:v1"], build_args={"TOKEN": "hunter2"})
    layout = Layout(context.folder / "layout")
    image = layout.index["manifests"][0]
    found = artifacts(layout)
    assert set(found) == {SPDX, IN_TOTO}
    for manifest, _ in found.values():
        assert manifest["subject"] == {k: image[k] for k in ("mediaType", "digest", "size")}
        assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
        assert layout.blob(manifest["config"]["digest"]) == b"{}"
        assert manifest["layers"][0]["mediaType"] == manifest["artifactType"]

    sbom = found[SPDX][1]
    assert sbom["spdxVersion"] == "SPDX-2.3" and sbom["SPDXID"] == "SPDXRef-DOCUMENT" and sbom["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
    purls = {p["externalRefs"][0]["referenceLocator"] for p in sbom["packages"]}
    assert {"pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12", "pkg:pypi/requests@2.31.0", "pkg:npm/%40a/b@1.0.0", "pkg:npm/c@2.0.0"} < purls
    assert not [p for p in purls if "the-app-itself" in p] and len(purls) == 5
    ids = [p["SPDXID"] for p in sbom["packages"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", i) for i in ids)
    assert {r["relatedSpdxElement"] for r in sbom["relationships"]} == set(ids)

    statement = found[IN_TOTO][1]
    assert statement["_type"] == "https://in-toto.io/Statement/v1" and statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": "example.com/app:v1", "digest": {"sha256": image["digest"][7:]}}]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["buildArgNames"] == ["TOKEN"] and "hunter2" not in json.dumps(statement)
    assert statement["predicate"]["runDetails"]["builder"]["id"]


def test_other_tools_still_find_the_image(context):
    fill(context)
    context.build(DOCKERFILE, layout="layout", sbom=True, provenance=True, tags=["example.com/app:v1"])
    seen = json.loads(subprocess.run(["skopeo", "inspect", f"oci:{context.folder}/layout:v1"], capture_output=True, check=True).stdout)
    assert seen["Digest"] == Layout(context.folder / "layout").index["manifests"][0]["digest"]
    again = context.build("FROM base\nLABEL a=b\n", build_contexts={"base": "oci-layout://layout"}, layout="second")
    assert again.code == 0


def test_they_do_not_change_the_image_and_are_the_same_again(runner, tmp_path):
    seen = set()
    for i in range(2):
        context = Context(runner, tmp_path / f"work{i}")
        fill(context)
        context.build(DOCKERFILE, layout="layout", env={"XDG_CACHE_HOME": str(tmp_path / f"cache{i}")}, sbom=True, provenance=True)
        index = Layout(context.folder / "layout").index
        seen.add(tuple(m["digest"] for m in index["manifests"]))
    context.build(DOCKERFILE, layout="plain")
    assert len(seen) == 1 and Layout(context.folder / "plain").index["manifests"][0]["digest"] == seen.pop()[0]


def test_each_platform_has_its_own(context):
    fill(context)
    context.build(DOCKERFILE, layout="layout", platform=None, platforms=["linux/amd64", "linux/arm64"], sbom=True)
    layout = Layout(context.folder / "layout")
    top = layout.json(layout.index["manifests"][0])
    assert [m["platform"]["architecture"] for m in top["manifests"]] == ["amd64", "arm64"], "nothing but images in the index"
    subjects = [layout.json(m)["subject"]["digest"] for m in layout.index["manifests"][1:]]
    assert subjects == [m["digest"] for m in top["manifests"]]


@pytest.mark.parametrize("has_referrers", [True, False])
def test_a_registry_lists_them(runner, tmp_path, has_referrers):
    context = Context(runner, tmp_path / "work")
    fill(context)
    with FaultRegistry(has_referrers=has_referrers) as registry:
        for _ in range(2):
            context.build(DOCKERFILE, push=True, tags=[f"{registry.host}/app:v1"], sbom=True, provenance=True)
        image = digest(registry.manifests["app", "v1"][1])
        tag = image.replace(":", "-")
        assert (("app", tag) in registry.manifests) == (not has_referrers)
        if has_referrers:
            listed = [json.loads(data) for (_, key), (_, data) in registry.manifests.items() if key == digest(data) and b'"subject"' in data]
            assert {m["artifactType"] for m in listed} == {SPDX, IN_TOTO}
        else:
            index = json.loads(registry.manifests["app", tag][1])
            assert sorted(m["artifactType"] for m in index["manifests"]) == [SPDX, IN_TOTO]
            assert all(("app", m["digest"]) in registry.manifests for m in index["manifests"])
        for data in [d for (_, d) in registry.manifests.values() if b'"subject"' in d]:
            assert json.loads(data)["subject"]["digest"] == image
        named = [name for name, _ in registry.order]
        assert named.index("v1") < min(i for i, n in enumerate(named) if n.startswith("sha256:")), "the image comes first"


def dependencies(statement):
    return {d["uri"]: d["digest"] for d in statement["predicate"]["buildDefinition"]["resolvedDependencies"] if "uri" in d}


def test_materials_are_named_without_permissions(context):
    with FaultRegistry() as registry:
        base = Image({"a": b"x"})
        registry.add_image("base", "1", base)
        registry.add_blob("base", b"content")
        url = f"{registry.url}/v2/base/blobs/{digest(b'content')}"
        for _ in range(2):
            result = context.build(f"FROM {registry.host}/base:1\nADD {url}?X-Signature=secret /file\n", layout="layout", provenance=True)
            statement = artifacts(Layout(context.folder / "layout"))[IN_TOTO][1]
            assert dependencies(statement) == {f"docker-image://{registry.host}/base:1": {"sha256": base.digest[7:]}, url: {"sha256": digest(b"content")[7:]}}
        assert "cached" in result.text, "what a cached step took in counts, too"


def test_only_what_the_target_needs_is_a_dependency_and_every_way_to_it(context):
    with FaultRegistry() as registry:
        images = {name: Image({name: name.encode()}) for name in ("base", "tools", "named", "unused")}
        for name, image in images.items():
            registry.add_image(name, "1", image)
        h = registry.host
        context.build(f"FROM {h}/unused:1 AS no\nFROM {h}/base:1\nCOPY --from={h}/tools:1 tools /t\nCOPY --from=ctx named /n\n", layout="layout",
                      provenance=True, build_contexts={"ctx": f"docker-image://{h}/named:1"})
        statement = artifacts(Layout(context.folder / "layout"))[IN_TOTO][1]
        assert dependencies(statement) == {f"docker-image://{h}/{name}:1": {"sha256": images[name].digest[7:]} for name in ("base", "tools", "named")}
        assert statement["predicate"]["buildDefinition"]["externalParameters"]["buildContextNames"] == ["ctx"]


def test_the_dockerfile_and_the_commit_of_the_run_are_dependencies(context):
    fill(context)
    text = hashlib.sha256(DOCKERFILE.encode()).hexdigest()
    github = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": "a" * 40}
    gitlab = {"CI_PROJECT_URL": "https://gitlab.com/o/r", "CI_COMMIT_SHA": "b" * 40, "CI_COMMIT_REF_NAME": "v1", "CI_COMMIT_TAG": "v1"}
    for env, uri, commit in ((None, None, None), (github, "git+https://github.com/o/r@refs/heads/main", "a" * 40),
                             (gitlab, "git+https://gitlab.com/o/r@refs/tags/v1", "b" * 40)):
        context.build(DOCKERFILE, layout="layout", provenance=True, env=env)
        statement = artifacts(Layout(context.folder / "layout"))[IN_TOTO][1]
        want = [{"name": "dockerfile", "digest": {"sha256": text}}]
        want += [{"name": "source", "uri": uri, "digest": {"gitCommit": commit}}] if uri else []
        assert statement["predicate"]["buildDefinition"]["resolvedDependencies"] == want


def test_each_platform_names_its_own_base(context):
    with FaultRegistry() as registry:
        children = {}
        for architecture in ("amd64", "arm64"):
            children[architecture] = Image({"a": architecture.encode()}, architecture=architecture)
            registry.add_image("base", architecture, children[architecture])
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                 "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": i.digest, "size": len(i.manifest),
                                "platform": {"os": "linux", "architecture": a}} for a, i in children.items()]}
        registry.manifests["base", "1"] = (index["mediaType"], json.dumps(index).encode())
        context.write("f", "f")
        context.build(f"FROM {registry.host}/base:1\nCOPY f /\n", layout="layout", provenance=True, platform=None, platforms=["linux/amd64", "linux/arm64"])
        layout = Layout(context.folder / "layout")
        for entry, architecture in zip(layout.index["manifests"][1:], ("amd64", "arm64")):
            statement = json.loads(layout.blob(layout.json(entry)["layers"][0]["digest"]))
            assert statement["predicate"]["buildDefinition"]["externalParameters"]["platform"] == f"linux/{architecture}"
            assert dependencies(statement) == {f"docker-image://{registry.host}/base:1": {"sha256": children[architecture].digest[7:]}}


def test_provenance_is_what_in_totos_own_reader_takes(context):
    """Unknown fields are errors to it, so is a wrong type."""
    fill(context)
    context.build(DOCKERFILE, layout="layout", provenance=True, tags=["example.com/app:v1"], build_args={"TOKEN": "hunter2"}, labels={"a": "b"},
                  annotations={"c": "d"}, secrets={"npm": {"env": "NPM_TOKEN"}}, compression="zstd", compression_level=3, target=None,
                  env={"NPM_TOKEN": "a-token-of-npm"})
    statement = artifacts(Layout(context.folder / "layout"))[IN_TOTO][1]
    parsed = json_format.ParseDict(statement, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    predicate = json_format.ParseDict(statement["predicate"], provenance_pb2.Provenance())
    assert predicate.build_definition.build_type and predicate.run_details.builder.id
    for dependency in predicate.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(dependency).validate()
    assert statement["predicate"]["buildDefinition"]["externalParameters"] == {
        "dockerfile": "Dockerfile", "platform": "linux/amd64", "buildArgNames": ["TOKEN"], "secretNames": ["npm"], "labels": {"a": "b"},
        "annotations": {"c": "d"}, "compression": "zstd", "compressionLevel": 3, "sourceDateEpoch": 0}


# ---- registries as they are --------------------------------------------------------------------


def fetch(url, headers=()):
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers))) as answer:
        return answer.read()


def referrers(base, repository, image, headers=()):
    """As clients of OCI 1.1 look them up: the API, then the tag."""
    accept = {"Accept": "application/vnd.oci.image.index.v1+json", **dict(headers)}
    try:
        return json.loads(fetch(f"{base}/v2/{repository}/referrers/{image}", accept)), "api"
    except urllib.error.HTTPError as e:
        assert e.code == 404
        return json.loads(fetch(f"{base}/v2/{repository}/manifests/{image.replace(':', '-')}", accept)), "tag"


def check_referrers(context, base, host, headers=()):
    fill(context)
    given = {"push": True, "tags": [f"{host}/app:v1"], "sbom": True, "provenance": True}
    for _ in range(2):
        result = context.build(DOCKERFILE, **given)
    image = re.search(r"image\.digest\s+(sha256:[0-9a-f]{64})", result.text)[1]
    index, way = referrers(base, "app", image, headers)
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json" and index["schemaVersion"] == 2
    assert sorted(m["artifactType"] for m in index["manifests"]) == [SPDX, IN_TOTO]
    for entry in index["manifests"]:
        text = fetch(f"{base}/v2/app/manifests/{entry['digest']}", {"Accept": entry["mediaType"], **dict(headers)})
        manifest = json.loads(text)
        assert digest(text) == entry["digest"] and len(text) == entry["size"] and manifest["subject"]["digest"] == image
        assert entry["annotations"] == manifest["annotations"] and entry["artifactType"] == manifest["artifactType"]
        document = fetch(f"{base}/v2/app/blobs/{manifest['layers'][0]['digest']}", headers)
        assert json.loads(document)
    return way


def test_docker_registry_without_the_api_has_the_tag(context, tmp_path):
    registry = harness.Registry(tmp_path)
    try:
        assert check_referrers(context, f"http://{registry.host}", registry.host) == "tag"
    finally:
        registry.close()


def test_the_local_cloud_has_the_api(context, cloud):
    cloud.client("ecr").create_repository(repositoryName="app")
    token = cloud.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    (context.folder / "docker").mkdir()
    (context.folder / "docker/config.json").write_text(json.dumps({"auths": {cloud.host: {"auth": token}}}))
    context.runner.env["DOCKER_CONFIG"] = str(context.folder / "docker")
    assert check_referrers(context, cloud.url, cloud.host, {"Authorization": f"Basic {token}"}) == "api"
