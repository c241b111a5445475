# SPDX-License-Identifier: Apache-2.0
"""The ecr-push stage against moto (with a stock registry beside it) and against the local cloud: every setting made, changed,
drifted, removed; faults on every call; denials."""

import contextlib
import json
import sys
from pathlib import Path

import pytest

import support
from images import IMAGE, INDEX, Image, descriptor, digest
from stage_bench import ABSENT

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

import harness  # noqa: E402

RULE = {"rulePriority": 1, "description": "old", "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 3},
        "action": {"type": "expire"}}
OTHER_RULE = {**RULE, "selection": {**RULE["selection"], "countNumber": 5}}


@pytest.fixture(scope="session")
def stock_registry(tmp_path_factory):
    """URL of a docker-registry on loopback."""
    process, host = harness.start_registry(tmp_path_factory.mktemp("registry"))
    yield f"http://{host}"
    process.terminate()
    process.wait()


@pytest.fixture
def image(tmp_path):
    made = Image({"bootstrap": b"#!/bin/sh\n"})
    made.write_layout(tmp_path / "layout")
    made.path = str(tmp_path / "layout")
    return made


@pytest.fixture
def stage(bench, recorded, image, request):
    with_ = {"repository": "team/app", "tag": "latest", "tags": ["v1"], "layout": image.path, "scan_on_push": False, "tag_mutability": "MUTABLE",
             "lifecycle": [RULE], "resource_tags": {"team": "data"}}
    made = bench(recorded, "ecr-push", with_, id="push")
    if recorded.name == "moto":
        registry = request.getfixturevalue("stock_registry")

        def to_the_stock_registry(call, body):
            """moto has no registry: the token leads to a stock one, and moto is told of the image that comes there."""
            for tag in ("latest", "v1"):
                with contextlib.suppress(made.client("ecr").exceptions.ImageAlreadyExistsException):
                    made.client("ecr").put_image(repositoryName="team/app", imageManifest=image.manifest.decode(), imageManifestMediaType=IMAGE, imageTag=tag)
            answer = json.loads(body)
            answer["authorizationData"][0]["proxyEndpoint"] = registry
            return json.dumps(answer).encode()

        recorded.proxy.rewrite("ecr.GetAuthorizationToken", to_the_stock_registry)
    return made


def repository(stage):
    """The repository as ECR has it, with its documents and tags."""
    ecr = stage.client("ecr")
    found = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"][0]
    found["tags"] = {t["Key"]: t["Value"] for t in ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]}
    found["policy"] = json.loads(ecr.get_repository_policy(repositoryName="team/app")["policyText"])
    found["lifecycle"] = json.loads(ecr.get_lifecycle_policy(repositoryName="team/app")["lifecyclePolicyText"])
    found["images"] = {i.get("imageTag"): i["imageDigest"] for i in ecr.list_images(repositoryName="team/app")["imageIds"]}
    return found


def is_as_described(stage, image):
    found = repository(stage)
    assert found["imageScanningConfiguration"]["scanOnPush"] is False and found["imageTagMutability"] == "MUTABLE"
    assert found["tags"] == {"team": "data", "runner:pipeline": "p", "runner:stage": "push"} and found["lifecycle"] == {"rules": [RULE]}
    [statement] = found["policy"]["Statement"]
    account = found["repositoryArn"].split(":")[4]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"} and sorted(statement["Action"]) == ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    assert statement["Condition"] == {"StringLike": {"aws:sourceArn": f"arn:aws:lambda:us-east-1:{account}:function:*"}}
    assert found["images"] == {"latest": image.digest, "v1": image.digest}
    assert len(stage.client("ecr").describe_repositories()["repositories"]) == 1


def test_the_first_run_makes_the_repository_and_destroy_removes_it(stage, image):
    stage.creates(["CreateRepository", "PutLifecyclePolicy", "SetRepositoryPolicy"])
    is_as_described(stage, image)
    uri = repository(stage)["repositoryUri"]
    assert stage.outputs() == {"image": f"{uri}@{image.digest}", "uri": uri, "digest": image.digest}
    assert stage.proxy.count("ecr.GetAuthorizationToken") == 0  # nothing to push, no token
    stage.destroyed(["DeleteRepository"])
    assert stage.client("ecr").describe_repositories()["repositories"] == []


CHANGES = [
    ({"scan_on_push": True}, ["PutImageScanningConfiguration"], ["scan_on_push"]),
    ({"tag_mutability": "IMMUTABLE"}, ["PutImageTagMutability"], ["MUTABLE -> IMMUTABLE"]),
    ({"tag_mutability": "IMMUTABLE_WITH_EXCLUSION", "tag_mutability_exclusions": ["latest", "dev-*"]}, ["PutImageTagMutability"], ["dev-*, latest"]),
    ({"tag_mutability": "MUTABLE_WITH_EXCLUSION", "tag_mutability_exclusions": ["v*"]}, ["PutImageTagMutability"], ["MUTABLE_WITH_EXCLUSION"]),
    ({"resource_tags": {"team": "ops"}}, ["TagResource"], ["data", "ops"]),
    ({"lifecycle": [OTHER_RULE]}, ["PutLifecyclePolicy"], ["lifecycle"]),
    ({"lifecycle": []}, ["DeleteLifecyclePolicy"], ["lifecycle"]),
]


def test_each_changed_setting_makes_exactly_its_writes(stage, image):
    stage("run")
    for changes, writes, words in CHANGES:
        stage.changed(changes, writes, words)
        stage("run")  # back again
    is_as_described(stage, image)


def test_drift_of_each_setting_is_shown_and_repaired(stage, image):
    stage("run")
    ecr, name = stage.client("ecr"), {"repositoryName": "team/app"}
    arn = repository(stage)["repositoryArn"]
    for drift, writes, words in (
        (lambda: ecr.put_image_scanning_configuration(**name, imageScanningConfiguration={"scanOnPush": True}), ["PutImageScanningConfiguration"], ["true"]),
        (lambda: ecr.put_image_tag_mutability(**name, imageTagMutability="IMMUTABLE"), ["PutImageTagMutability"], ["IMMUTABLE -> MUTABLE"]),
        (lambda: ecr.put_image_tag_mutability(**name, imageTagMutability="MUTABLE_WITH_EXCLUSION", imageTagMutabilityExclusionFilters=[
            {"filterType": "WILDCARD", "filter": "v*"}]), ["PutImageTagMutability"], ["v*"]),
        (lambda: ecr.untag_resource(resourceArn=arn, tagKeys=["team"]), ["TagResource"], ["team"]),
        (lambda: ecr.put_lifecycle_policy(**name, lifecyclePolicyText=json.dumps({"rules": [OTHER_RULE]})), ["PutLifecyclePolicy"], ["lifecycle"]),
        (lambda: ecr.delete_lifecycle_policy(**name), ["PutLifecyclePolicy"], ["lifecycle"]),
        (lambda: ecr.delete_repository_policy(**name), ["SetRepositoryPolicy"], ["policy"]),
    ):
        stage.repaired(drift, writes, words)
        is_as_described(stage, image)
    ecr.batch_delete_image(**name, imageIds=[{"imageTag": "v1"}])
    assert "team/app:v1" in stage("run").text
    is_as_described(stage, image)


# ---- faults -----------------------------------------------------------------------------------

KINDS = ["throttle", "500", "503", "reset_before", "reset_after", "expired", "skewed"]
CHANGED = {"scan_on_push": True, "tag_mutability": "IMMUTABLE", "resource_tags": {"team": "ops"}, "lifecycle": [], "tags": ABSENT}


@pytest.mark.parametrize("recorded, kind", [("cloud", k) for k in KINDS] + [("moto", "500"), ("moto", "reset_after")], indirect=["recorded"])
def test_a_fault_on_every_call_is_survived(stage, image, kind):
    stage.survives(kind)
    is_as_described(stage, image)
    stage.settled()
    if kind == "throttle":
        return  # its waits are long, and the calls below are repeated alike
    stage.survives(kind, changes=CHANGED)
    found = stage.client("ecr").describe_repositories()["repositories"][0]
    assert found["imageScanningConfiguration"]["scanOnPush"] is True and found["imageTagMutability"] == "IMMUTABLE"
    stage.settled(CHANGED)
    stage.survives(kind, "destroy")
    assert stage.client("ecr").describe_repositories()["repositories"] == []


def test_each_denied_call_ends_after_one_try_and_says_who_what_and_which(stage):
    names = stage.operations()
    assert {"ecr.DescribeRepositories", "ecr.CreateRepository", "ecr.SetRepositoryPolicy", "ecr.GetAuthorizationToken"} <= set(names)
    stage("destroy")
    for name in names:
        if name != "ecr.ListTagsForResource":
            stage.denied(name, resource="repository team/app")
    stage("run")
    for name in ("ecr.ListTagsForResource", "ecr.GetLifecyclePolicy", "ecr.GetRepositoryPolicy", "ecr.BatchGetImage"):
        stage.denied(name, resource="repository team/app")
    for name in ("ecr.DescribeRepositories", "ecr.ListImages", "ecr.DeleteRepository"):
        stage.denied(name, "destroy", resource="repository team/app")


def test_images_of_others_stand_on_the_last_page(stage):
    stage("run")
    ecr = stage.client("ecr")
    manifest = ecr.batch_get_image(repositoryName="team/app", imageIds=[{"imageTag": "latest"}])["images"][0]["imageManifest"]
    ecr.put_image(repositoryName="team/app", imageManifest=manifest, imageTag="by-hand")
    stage.proxy.empty_pages("ecr.ListImages")
    kept = stage("destroy")
    assert "by-hand" in kept.text and stage.proxy.count("ecr.ListImages") == 3 and ecr.describe_repositories()["repositories"]


# ---- templates that make repositories on push ---------------------------------------------------


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
@pytest.mark.parametrize("templates, made", [
    ([{"prefix": "ROOT", "appliedFor": ["CREATE_ON_PUSH"]}], True),
    ([{"prefix": "team", "appliedFor": ["REPLICATION", "CREATE_ON_PUSH"]}], True),
    ([{"prefix": "tea", "appliedFor": ["CREATE_ON_PUSH"]}, {"prefix": "ROOT", "appliedFor": ["REPLICATION"]}], False),
    ([], False),
])
def test_a_repository_that_ecr_makes_on_push_is_left_to_it(stage, image, templates, made):
    stage.proxy.reply("ecr.DescribeRepositoryCreationTemplates", lambda call: {"repositoryCreationTemplates": templates})
    params = {"create": False}
    if not made:
        failed = stage("run", params, code=1)
        assert "no repository" in failed.text and "CREATE_ON_PUSH" in failed.text and stage.writes() == []
        return
    planned = stage("plan", params)
    assert "on push" in planned.text and stage.writes() == []
    stage.proxy.rewrite("ecr.GetAuthorizationToken", lambda call, body: (
        stage.client("ecr").create_repository(repositoryName="team/app") if not stage.client("ecr").describe_repositories()["repositories"] else None, body)[1])
    stage("run", params)
    assert "CreateRepository" not in stage.writes() and {"PutLifecyclePolicy", "SetRepositoryPolicy"} <= set(stage.writes())
    assert repository(stage)["images"]["latest"] == image.digest
    stage.settled(params)
    stage("destroy", params)
    assert stage.client("ecr").describe_repositories()["repositories"]  # ECR made it, it stays


# ---- what needs a registry with ECR behind it -----------------------------------------------------


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_layers_are_mounted_from_another_repository(stage, image):
    stage("run", {"repository": "team/base"})
    Path(image.path, "blobs/sha256", digest(image.layers[0])[7:]).unlink()  # so it cannot be sent
    result = stage("run", {"mount_from": ["team/base"]})
    assert "created" in result.text
    assert stage.client("ecr").describe_images(repositoryName="team/app", imageIds=[{"imageTag": "latest"}])["imageDetails"][0]["imageDigest"] == image.digest


class Layout:
    """An OCI layout of several manifests, written by hand."""

    def __init__(self, folder):
        self.folder, self.entries = folder, []
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data):
        (self.folder / "blobs/sha256" / digest(data)[7:]).write_bytes(data)

    def image(self, image):
        for data in (*image.layers, image.config, image.manifest):
            self.blob(data)
        return descriptor(IMAGE, image.manifest)

    def enter(self, entry):
        self.entries.append(entry)
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.entries}))
        return str(self.folder)


def artifact(subject, text):
    """An OCI 1.1 artifact that refers to a descriptor."""
    made = Image({"sbom": text})
    made.config = b"{}"
    made.manifest = json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "artifactType": "application/spdx+json",
                                "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
                                "layers": [descriptor("application/spdx+json", made.layers[0])], "subject": subject}).encode()
    made.digest = digest(made.manifest)
    return made


def described(stage):
    """digest -> details of all images of the repository."""
    return {i["imageDigest"]: i for i in stage.client("ecr").describe_images(repositoryName="team/app")["imageDetails"]}


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_an_index_and_what_refers_to_it_are_pushed_whole(stage, tmp_path):
    layout = Layout(tmp_path / "multi")
    children = [{**layout.image(Image({"bootstrap": a.encode()}, architecture=a)), "platform": {"os": "linux", "architecture": a}} for a in ("amd64", "arm64")]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode()
    layout.blob(index)
    layout.enter(descriptor(INDEX, index))
    sbom = artifact(descriptor(INDEX, index), b"x")
    path = layout.enter(layout.image(sbom))
    stage("run", {"layout": path})
    found = described(stage)
    assert set(found) == {digest(index), *(c["digest"] for c in children), sbom.digest}
    assert sorted(found[digest(index)]["imageTags"]) == ["latest", "v1"] and found[sbom.digest]["subjectManifestDigest"] == digest(index)
    stage.settled({"layout": path})
    stage.client("ecr").batch_delete_image(repositoryName="team/app", imageIds=[{"imageDigest": sbom.digest}])
    assert "artifact team/app@" in stage("run", {"layout": path}).text  # only that is sent again
    assert set(described(stage)) == set(found)


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_a_layout_of_two_images_is_refused_with_their_names(stage, tmp_path):
    layout = Layout(tmp_path / "two")
    layout.enter(layout.image(Image({"a": b"1"})))
    path = layout.enter(layout.image(Image({"a": b"2"})))
    failed = stage("run", {"layout": path}, code=1)
    assert "several images" in failed.text and stage.writes() == []


# ---- keep ----------------------------------------------------------------------------------------


@pytest.fixture
def pushes(stage, tmp_path):
    """pushes(n, keep=...): pushes image number n under the tag build-n."""

    def push(n, command="run", **params):
        made = Image({"bootstrap": b"%d" % n})
        folder = tmp_path / f"image-{n}"
        if not folder.exists():
            made.write_layout(folder)
        result = stage(command, {"layout": str(folder), "tag": f"build-{n}", "tags": ABSENT, **params})
        return made.digest, result

    return push


def builds(stage):
    return sorted(t for i in described(stage).values() for t in i.get("imageTags", []))


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_old_images_go_and_the_newest_stay(stage, pushes):
    for n in range(4):
        pushes(n)
    assert builds(stage) == ["build-0", "build-1", "build-2", "build-3"]
    planned = pushes(4, "plan", keep=3)[1]
    assert stage.writes() == [] and "deleted" in planned.text and "build-1" in planned.text
    stage.proxy.empty_pages("ecr.DescribeImages")
    stage.proxy.empty_pages("lambda.ListFunctions")
    done = pushes(4, keep=3)[1]
    assert builds(stage) == ["build-2", "build-3", "build-4"] and stage.proxy.count("ecr.BatchDeleteImage") == 1
    assert "build-0" in done.text and "build-1" in done.text
    pushes(4, keep=3)
    assert stage.writes() == []
    pushes(2, keep=1)  # an older image is pushed again: it is the one that stays
    assert builds(stage) == ["build-2"]


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_an_image_that_any_version_of_a_function_uses_stays(stage, pushes):
    digests = [pushes(n)[0] for n in range(5)]
    uri = repository_uri(stage)
    functions, role = stage.client("lambda"), stage.client("iam").create_role(RoleName="f", AssumeRolePolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
    functions.create_function(FunctionName="f", PackageType="Image", Role=role, Code={"ImageUri": f"{uri}@{digests[1]}"}, Publish=True)
    functions.get_waiter("function_active_v2").wait(FunctionName="f")
    functions.update_function_code(FunctionName="f", ImageUri=f"{uri}@{digests[2]}")
    functions.get_waiter("function_updated_v2").wait(FunctionName="f")
    planned = pushes(5, "plan", keep=2)[1]
    assert stage.writes() == [] and "function f:1 uses it" in planned.text
    result = pushes(5, keep=2)[1]
    assert builds(stage) == ["build-1", "build-2", "build-4", "build-5"], result  # 1: version 1, 2: $LATEST
    assert "function f:$LATEST uses it" in result.text
    stage.valid()


def repository_uri(stage):
    return stage.client("ecr").describe_repositories(repositoryNames=["team/app"])["repositories"][0]["repositoryUri"]


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
@pytest.mark.parametrize("hidden", ["lambda.ListFunctions", "lambda.GetFunction"])
def test_nothing_is_removed_when_functions_cannot_be_seen(stage, pushes, hidden):
    for n in range(3):
        pushes(n)
    if hidden == "lambda.GetFunction":  # a function whose hash says nothing of its image
        stage.proxy.reply("lambda.ListFunctions", lambda call: {"Functions": [
            {"FunctionName": "g", "Version": "7", "PackageType": "Image", "CodeSha256": "0" * 64}, {"FunctionName": "zip", "Version": "1", "PackageType": "Zip"}]})
    stage.proxy.fault(hidden, "denied", times=9)
    result = pushes(2, keep=1)[1]
    assert hidden.replace(".", ":") in result.text and builds(stage) == ["build-0", "build-1", "build-2"] and stage.proxy.count("ecr.BatchDeleteImage") == 0
    assert stage.proxy.count(hidden) == 1


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_functions_are_asked_one_by_one_for_what_the_list_does_not_say(stage, pushes):
    digests = [pushes(n)[0] for n in range(3)]
    stage.proxy.reply("lambda.ListFunctions", lambda call: {"Functions": [
        {"FunctionName": f"g{n}", "Version": "7", "PackageType": "Image", "CodeSha256": "0" * 64} for n in range(20)]})
    stage.proxy.reply("lambda.GetFunction", lambda call: {"Code": {"ResolvedImageUri": f"x/team/app@{digests[0]}" if "/g13?" in call.target else "x/y@sha256:" + "1" * 64}})
    result = pushes(2, keep=1)[1]
    assert stage.proxy.count("lambda.GetFunction") == 20 and "function g13:7 uses it" in result.text and builds(stage) == ["build-0", "build-2"]


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
@pytest.mark.parametrize("kind", ["500", "reset_after", "expired"])
def test_faults_while_old_images_go_are_survived(stage, pushes, kind):
    for n in range(3):
        pushes(n)
    stage.proxy.reply("lambda.ListFunctions", lambda call: {"Functions": [{"FunctionName": "g", "Version": "7", "PackageType": "Image", "CodeSha256": "0" * 64}]})
    stage.proxy.reply("lambda.GetFunction", lambda call: {"Code": {"ResolvedImageUri": "x/y@sha256:" + "1" * 64}})
    stage.proxy.fault_each("*.*", kind)
    pushes(3, keep=2)
    assert {"ecr.DescribeImages", "ecr.BatchDeleteImage", "lambda.ListFunctions", "lambda.GetFunction"} <= {c.name for c in stage.proxy.calls if c.fault}
    assert builds(stage) == ["build-2", "build-3"]


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_children_of_an_index_and_artifacts_go_with_it_and_are_not_counted(stage, pushes, tmp_path):
    layout = Layout(tmp_path / "multi")
    children = [{**layout.image(Image({"bootstrap": a.encode()}, architecture=a)), "platform": {"os": "linux", "architecture": a}} for a in ("amd64", "arm64")]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode()
    layout.blob(index)
    layout.enter(descriptor(INDEX, index))
    path = layout.enter(layout.image(artifact(descriptor(INDEX, index), b"x")))
    stage("run", {"layout": path, "tag": "multi", "tags": ABSENT, "keep": 2})
    assert len(described(stage)) == 4
    pushes(1, keep=2)
    assert builds(stage) == ["build-1", "multi"] and len(described(stage)) == 5
    pushes(2, keep=2)
    assert builds(stage) == ["build-1", "build-2"] and len(described(stage)) == 2


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_images_of_a_repository_of_others_stay(stage, pushes):
    stage.client("ecr").create_repository(repositoryName="team/app")
    for n in range(3):
        result = pushes(n, keep=1)[1]
    assert builds(stage) == ["build-0", "build-1", "build-2"] and "did not make repository" in result.text


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_tags_are_immutable_but_for_the_excluded_ones(stage, pushes):
    mode = {"tag_mutability": "IMMUTABLE_WITH_EXCLUSION", "tag_mutability_exclusions": ["latest", "dev-*"]}
    digests = [pushes(n, tags=["latest", "dev-x"], **mode)[0] for n in range(2)]
    found = {t: d for d, i in described(stage).items() for t in i["imageTags"]}
    assert found == {"build-0": digests[0], "build-1": digests[1], "latest": digests[1], "dev-x": digests[1]}
    failed = stage("run", {"layout": str(stage.runner.cwd / "image-0"), "tag": "build-1", "tags": ABSENT, **mode}, code=1)
    assert "immutable" in failed.text and "tag_mutability_exclusions: [build-1]" in failed.text and stage.writes() == []


@pytest.mark.parametrize("bad, words", [
    ({"keep": 0}, "at least 1"), ({"tag_mutability": "MUTABLE_WITH_EXCLUSION"}, "go together"), ({"tag_mutability_exclusions": ["x"]}, "go together"),
    ({"tag_mutability": "MUTABLE_WITH_EXCLUSION", "tag_mutability_exclusions": ["a b"]}, "a b"), ({"mount_from": ["Bad"]}, "Bad"),
    ({"lifecycle": "x"}, "lifecycle"),
])
@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_bad_parameters_are_refused_without_a_call(stage, bad, words):
    failed = stage("run", bad, code=None)
    assert failed.code in (1, 2) and words in failed.text and stage.proxy.calls == []
