# SPDX-License-Identifier: Apache-2.0
"""SBOM and provenance as artifacts beside the image: in layouts, in registries with and without the referrers API."""

import json
import re
import subprocess

import pytest

from fault_registry import FaultRegistry, digest
from images import Image
from oci_context import Context, Layout

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


def test_materials_are_named_without_permissions(context):
    with FaultRegistry() as registry:
        base = Image({"a": b"x"})
        registry.add_image("base", "1", base)
        registry.add_blob("base", b"content")
        url = f"{registry.url}/v2/base/blobs/{digest(b'content')}"
        context.build(f"FROM {registry.host}/base:1\nADD {url}?X-Signature=secret /file\n", layout="layout", provenance=True)
        statement = artifacts(Layout(context.folder / "layout"))[IN_TOTO][1]
        found = {d["uri"]: d["digest"] for d in statement["predicate"]["buildDefinition"]["resolvedDependencies"]}
        assert found == {f"docker-image://{registry.host}/base:1": {"sha256": base.digest[7:]}, url: {"sha256": digest(b"content")[7:]}}
