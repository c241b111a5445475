# SPDX-License-Identifier: Apache-2.0
"""ecr-push: first run, unchanged run, each setting changed, drift, immutable tags, plan and destroy."""


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


def test_the_first_run_creates_and_the_second_writes_nothing(push, recorded_cloud, layouts):
    push(scan_on_push=True, tag_mutability="MUTABLE", tags=["v1"])
    made = repository(recorded_cloud)
    assert made["imageScanningConfiguration"]["scanOnPush"] is True
    assert digests(recorded_cloud) == {"latest": layouts[0][1], "v1": layouts[0][1]}
    recorded_cloud.proxy.assert_valid()
    result = push(scan_on_push=True, tag_mutability="MUTABLE", tags=["v1"])
    assert recorded_cloud.proxy.writes() == []
    assert recorded_cloud.proxy.count("ecr.GetAuthorizationToken") == 0
    assert "unchanged" in result.text


def test_the_outputs_name_the_image_by_digest(push, recorded_cloud, runner, layouts):
    push()
    values = json.loads(runner("outputs", "--json").out)
    text = json.dumps(values)
    assert repository(recorded_cloud)["repositoryUri"] + "@" + layouts[0][1] in text


def test_another_image_moves_the_tag(push, recorded_cloud, layouts):
    push()
    result = push(image=1)
    assert digests(recorded_cloud)["latest"] == layouts[1][1]
    assert "updated" in result.text


@pytest.mark.parametrize("change, write", [
    ({"scan_on_push": True}, ["ecr.PutImageScanningConfiguration"]),
    ({"tag_mutability": "IMMUTABLE"}, ["ecr.PutImageTagMutability"]),
    ({"resource_tags": {"team": "data"}}, ["ecr.TagResource"]),
    ({"lifecycle": [{"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 3},
                     "action": {"type": "expire"}}]}, ["ecr.PutLifecyclePolicy"]),
    ({"lambda_pull": True}, ["ecr.SetRepositoryPolicy"]),
])
def test_a_changed_setting_takes_one_write(push, recorded_cloud, change, write):
    push(scan_on_push=False, tag_mutability="MUTABLE", lambda_pull=False)
    settings = {"scan_on_push": False, "tag_mutability": "MUTABLE", "lambda_pull": False, **change}
    push("plan", **settings)
    assert recorded_cloud.proxy.writes() == []
    push(**settings)
    assert recorded_cloud.proxy.writes() == write
    push(**settings)
    assert recorded_cloud.proxy.writes() == []


def test_drift_is_repaired(push, recorded_cloud):
    push(scan_on_push=True)
    ecr = recorded_cloud.direct.client("ecr")
    ecr.put_image_scanning_configuration(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": False})
    ecr.delete_repository_policy(repositoryName="team/app")
    ecr.batch_delete_image(repositoryName="team/app", imageIds=[{"imageTag": "latest"}])
    push(scan_on_push=True)
    assert repository(recorded_cloud)["imageScanningConfiguration"]["scanOnPush"] is True
    assert "LambdaPull" in ecr.get_repository_policy(repositoryName="team/app")["policyText"]
    assert "latest" in digests(recorded_cloud)


def test_an_immutable_tag_is_refused_before_anything_is_sent(push, recorded_cloud, layouts):
    push(tag_mutability="IMMUTABLE")
    result = push(image=1, tag_mutability="IMMUTABLE", code=1)
    assert "immutable" in result.text and "new tag" in result.text
    assert recorded_cloud.proxy.writes() == []
    assert digests(recorded_cloud)["latest"] == layouts[0][1]


def test_a_missing_repository_is_an_error_when_it_may_not_be_created(push, recorded_cloud):
    result = push(create=False, code=1)
    assert "no repository" in result.text and "create" in result.text


def test_a_lost_answer_to_the_creation_makes_no_second_one(push, recorded_cloud, layouts):
    recorded_cloud.proxy.fault("ecr.CreateRepository", "reset_after")
    file_run = push()
    assert digests(recorded_cloud)["latest"] == layouts[0][1]
    assert file_run.code == 0


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
