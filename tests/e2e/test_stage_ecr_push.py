# SPDX-License-Identifier: Apache-2.0
"""ecr-push: images and tags, repositories of others, destroy, secrets. What holds for every setting: test_ecr_converge.py."""


import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

from harness import layout  # noqa: E402


@pytest.fixture(scope="session")
def layouts(tmp_path_factory):
    """Two images as OCI layouts, and their digests."""
    out = []
    for rich in (False, True):
        path = tmp_path_factory.mktemp("layout") / "image"
        layout(path, rich)
        out.append((str(path), json.loads((path / "index.json").read_text())["manifests"][0]["digest"]))
    return out


@pytest.fixture
def push(runner, pipe, recorded_cloud, layouts):
    """push(command="run", code=0, **parameters) runs a pipeline with one ecr-push stage."""

    def call(command="run", code=0, image=0, **params):
        given = {"repository": "team/app", "tag": "latest", "layout": layouts[image][0], **params}
        file = pipe({"name": "ship", "stages": [{"id": "push", "uses": "ecr-push", "with": given}]})
        recorded_cloud.proxy.clear()
        return runner(command, file, env=recorded_cloud.env, code=code)

    return call


def repository(cloud):
    return cloud.direct.client("ecr").describe_repositories(repositoryNames=["team/app"])["repositories"][0]


def digests(cloud):
    images = cloud.direct.client("ecr").list_images(repositoryName="team/app")["imageIds"]
    return {i.get("imageTag"): i["imageDigest"] for i in images}


def test_another_image_moves_the_tag(push, recorded_cloud, layouts):
    push()
    result = push(image=1)
    assert digests(recorded_cloud)["latest"] == layouts[1][1]
    assert "updated" in result.text


def test_an_immutable_tag_is_refused_before_anything_is_sent(push, recorded_cloud, layouts):
    push(tag_mutability="IMMUTABLE")
    result = push(image=1, tag_mutability="IMMUTABLE", code=1)
    assert "immutable" in result.text and "new tag" in result.text
    assert recorded_cloud.proxy.writes() == []
    assert digests(recorded_cloud)["latest"] == layouts[0][1]


def test_a_missing_repository_is_an_error_when_it_may_not_be_created(push, recorded_cloud):
    result = push(create=False, code=1)
    assert "no repository" in result.text and "create" in result.text


def test_destroy_removes_a_repository_of_ours(push, recorded_cloud):
    push()
    push("destroy")
    assert recorded_cloud.direct.client("ecr").describe_repositories()["repositories"] == []
    push("destroy")
    assert recorded_cloud.proxy.writes() == []


def test_destroy_keeps_what_others_put_there(push, recorded_cloud, layouts):
    push()
    ecr = recorded_cloud.direct.client("ecr")
    manifest = ecr.batch_get_image(repositoryName="team/app", imageIds=[{"imageTag": "latest"}])["images"][0]["imageManifest"]
    ecr.put_image(repositoryName="team/app", imageManifest=manifest, imageTag="by-hand")
    result = push("destroy")
    assert "by-hand" in result.text
    assert digests(recorded_cloud) == {"by-hand": layouts[0][1]}
    push("destroy", force_delete=True)
    assert ecr.describe_repositories()["repositories"] == []


def test_destroy_keeps_a_repository_made_by_hand(push, recorded_cloud):
    ecr = recorded_cloud.direct.client("ecr")
    ecr.create_repository(repositoryName="team/app")
    push()
    push("destroy")
    assert repository(recorded_cloud)["repositoryName"] == "team/app"
    assert digests(recorded_cloud) == {}


def test_bad_names_are_refused_offline(push, recorded_cloud):
    for params, word in (({"repository": "Team/App"}, "repository"), ({"tag": "a b"}, "tag"), ({"kms_key": "k"}, "encryption")):
        result = push(code=None, **params)
        assert result.code in (1, 2) and word in result.text
        assert recorded_cloud.proxy.names() == []


def test_the_token_is_in_no_output(push, recorded_cloud, tmp_path):
    import base64
    ecr = recorded_cloud.direct.client("ecr")
    result = push()
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    password = base64.b64decode(token).decode().split(":", 1)[1]
    for path in tmp_path.rglob("*"):
        if path.is_file() and ".runner" in path.parts and "cloud" not in path.parts:
            data = path.read_bytes()
            assert password.encode() not in data and token.encode() not in data, path
    assert password not in result.text
