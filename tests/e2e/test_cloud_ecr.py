# SPDX-License-Identifier: Apache-2.0
"""ECR's JSON API of the local cloud, through boto3 and the stock aws CLI."""

import json

import pytest

from botocore.exceptions import ClientError

from images import IMAGE, INDEX, Image, Registry, descriptor, digest
from support import http

LIFECYCLE = json.dumps({"rules": [{"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan",
                                                                   "countNumber": 3}, "action": {"type": "expire"}}]})
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "lambda", "Effect": "Allow", "Action": "ecr:BatchGetImage",
                                                            "Principal": {"Service": "lambda.amazonaws.com"}}]})


@pytest.fixture
def ecr(cloud):
    return cloud.client("ecr")


@pytest.fixture
def image():
    return Image({"hello": b"hello"})


def refused(code):
    class Refused:
        def __enter__(self):
            self.raises = pytest.raises(ClientError)
            self.info = self.raises.__enter__()
            return self

        def __exit__(self, *what):
            done = self.raises.__exit__(*what)
            self.error = self.info.value.response["Error"]
            assert self.error["Code"] == code, self.error
            return done

    return Refused()


def test_a_repository_lives_and_dies(cloud, ecr):
    made = ecr.create_repository(repositoryName="a/b-c", tags=[{"Key": "k", "Value": "v"}], imageTagMutability="IMMUTABLE",
                                 imageScanningConfiguration={"scanOnPush": True})["repository"]
    assert made["repositoryArn"] == "arn:aws:ecr:us-east-1:000000000000:repository/a/b-c"
    assert made["repositoryUri"] == f"{cloud.host}/a/b-c"
    assert made["imageTagMutability"] == "IMMUTABLE" and made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert ecr.describe_repositories(repositoryNames=["a/b-c"])["repositories"] == [made]
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [{"Key": "k", "Value": "v"}]
    with refused("RepositoryAlreadyExistsException"):
        ecr.create_repository(repositoryName="a/b-c")
    ecr.delete_repository(repositoryName="a/b-c")
    with refused("RepositoryNotFoundException") as r:
        ecr.describe_repositories(repositoryNames=["a/b-c"])
    assert r.error["Message"] == "The repository with name 'a/b-c' does not exist in the registry with id '000000000000'"


@pytest.mark.parametrize("name", ["Upper", "a//b", "-a", "a-", "a b", "a/.b"])
def test_a_bad_name_is_refused(ecr, name):
    with refused("InvalidParameterException"):
        ecr.create_repository(repositoryName=name)


def test_settings_change(ecr):
    ecr.create_repository(repositoryName="r1")
    ecr.put_image_scanning_configuration(repositoryName="r1", imageScanningConfiguration={"scanOnPush": True})
    ecr.put_image_tag_mutability(repositoryName="r1", imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
                                 imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev-*"}])
    found = ecr.describe_repositories()["repositories"][0]
    assert found["imageScanningConfiguration"]["scanOnPush"] is True
    assert found["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert found["imageTagMutabilityExclusionFilters"] == [{"filterType": "WILDCARD", "filter": "dev-*"}]
    with refused("InvalidParameterException"):
        ecr.put_image_tag_mutability(repositoryName="r1", imageTagMutability="IMMUTABLE_WITH_EXCLUSION")
    arn = found["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "3"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["b"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "a", "Value": "3"}]


def test_excluded_tags_of_an_immutable_repository_move(cloud, ecr):
    ecr.create_repository(repositoryName="r1", imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
                          imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev-*"}])
    registry, one, two = Registry(cloud), Image({"a": b"1"}), Image({"a": b"2"})
    registry.push("r1", one, "dev-1")
    registry.push("r1", two, "dev-1")
    registry.push("r1", one, "v1")
    with refused("ImageTagAlreadyExistsException"):
        ecr.put_image(repositoryName="r1", imageManifest=two.manifest.decode(), imageTag="v1")


def test_lifecycle_and_repository_policies(ecr):
    ecr.create_repository(repositoryName="r1")
    with refused("LifecyclePolicyNotFoundException"):
        ecr.get_lifecycle_policy(repositoryName="r1")
    with refused("RepositoryPolicyNotFoundException"):
        ecr.get_repository_policy(repositoryName="r1")
    with refused("InvalidParameterException"):
        ecr.put_lifecycle_policy(repositoryName="r1", lifecyclePolicyText='{"rules": [{}]}'.ljust(100))
    with refused("InvalidParameterException"):
        ecr.set_repository_policy(repositoryName="r1", policyText="no json")
    ecr.put_lifecycle_policy(repositoryName="r1", lifecyclePolicyText=LIFECYCLE)
    ecr.set_repository_policy(repositoryName="r1", policyText=POLICY)
    assert ecr.get_lifecycle_policy(repositoryName="r1")["lifecyclePolicyText"] == LIFECYCLE
    assert ecr.get_repository_policy(repositoryName="r1")["policyText"] == POLICY
    ecr.delete_lifecycle_policy(repositoryName="r1")
    ecr.delete_repository_policy(repositoryName="r1")
    with refused("LifecyclePolicyNotFoundException"):
        ecr.delete_lifecycle_policy(repositoryName="r1")
    with refused("RepositoryPolicyNotFoundException"):
        ecr.delete_repository_policy(repositoryName="r1")


def test_an_image_by_the_json_api_alone(ecr, image):
    ecr.create_repository(repositoryName="r1")
    names = [digest(d) for d in (*image.layers, image.config)]
    found = ecr.batch_check_layer_availability(repositoryName="r1", layerDigests=[*names, "junk"])
    assert [x["layerAvailability"] for x in found["layers"]] == ["UNAVAILABLE", "UNAVAILABLE"]
    assert found["failures"][0]["failureCode"] == "InvalidLayerDigest"
    with refused("LayersNotFoundException"):
        ecr.put_image(repositoryName="r1", imageManifest=image.manifest.decode())
    for data in (*image.layers, image.config):
        up = ecr.initiate_layer_upload(repositoryName="r1")["uploadId"]
        half = len(data) // 2
        done = ecr.upload_layer_part(repositoryName="r1", uploadId=up, partFirstByte=0, partLastByte=half - 1, layerPartBlob=data[:half])
        assert done["lastByteReceived"] == half - 1
        with refused("InvalidLayerPartException"):
            ecr.upload_layer_part(repositoryName="r1", uploadId=up, partFirstByte=0, partLastByte=half - 1, layerPartBlob=data[:half])
        ecr.upload_layer_part(repositoryName="r1", uploadId=up, partFirstByte=half, partLastByte=len(data) - 1, layerPartBlob=data[half:])
        with refused("InvalidLayerException"):
            ecr.complete_layer_upload(repositoryName="r1", uploadId=up, layerDigests=[digest(b"else")])
        assert ecr.complete_layer_upload(repositoryName="r1", uploadId=up, layerDigests=[digest(data)])["layerDigest"] == digest(data)
    made = ecr.put_image(repositoryName="r1", imageManifest=image.manifest.decode(), imageTag="v1")["image"]
    assert made["imageId"] == {"imageDigest": image.digest, "imageTag": "v1"} and made["imageManifestMediaType"] == IMAGE
    with refused("ImageAlreadyExistsException"):
        ecr.put_image(repositoryName="r1", imageManifest=image.manifest.decode(), imageTag="v1")
    url = ecr.get_download_url_for_layer(repositoryName="r1", layerDigest=names[0])["downloadUrl"]
    assert http("GET", url)[2] == image.layers[0]
    up = ecr.initiate_layer_upload(repositoryName="r1")["uploadId"]
    ecr.upload_layer_part(repositoryName="r1", uploadId=up, partFirstByte=0, partLastByte=len(image.config) - 1, layerPartBlob=image.config)
    with refused("LayerAlreadyExistsException"):
        ecr.complete_layer_upload(repositoryName="r1", uploadId=up, layerDigests=[names[1]])
    with refused("UploadNotFoundException"):
        ecr.complete_layer_upload(repositoryName="r1", uploadId=up, layerDigests=[names[1]])


def test_images_are_listed_described_and_got(cloud, ecr, image):
    ecr.create_repository(repositoryName="r1")
    registry, other = Registry(cloud), Image({"other": b"x"})
    registry.push("r1", image, "v1")
    registry.push("r1", image, "latest")
    registry.push("r1", other, "v1")
    details = {d["imageDigest"]: d for d in ecr.describe_images(repositoryName="r1")["imageDetails"]}
    assert details[image.digest]["imageTags"] == ["latest"] and details[other.digest]["imageTags"] == ["v1"]
    assert details[image.digest]["imageSizeInBytes"] == len(image.layers[0]) + len(image.config)
    registry("DELETE", "/v2/r1/manifests/latest")
    ids = lambda status: ecr.list_images(repositoryName="r1", filter={"tagStatus": status})["imageIds"]  # noqa: E731
    assert ids("TAGGED") == [{"imageDigest": other.digest, "imageTag": "v1"}]
    assert ids("UNTAGGED") == [{"imageDigest": image.digest}]
    assert len(ids("ANY")) == 2
    got = ecr.batch_get_image(repositoryName="r1", imageIds=[{"imageTag": "v1"}, {"imageDigest": image.digest}, {"imageTag": "none"}])
    assert [i["imageManifest"].encode() for i in got["images"]] == [other.manifest, image.manifest]
    assert got["failures"][0]["failureCode"] == "ImageNotFound"
    with refused("ImageNotFoundException"):
        ecr.describe_images(repositoryName="r1", imageIds=[{"imageTag": "none"}])
    with refused("ScanNotFoundException"):
        ecr.describe_image_scan_findings(repositoryName="r1", imageId={"imageTag": "v1"})


def test_deleting_images(cloud, ecr, image):
    ecr.create_repository(repositoryName="r1")
    registry = Registry(cloud)
    registry.push("r1", image, "v1")
    registry.push("r1", image, "v2")
    done = ecr.batch_delete_image(repositoryName="r1", imageIds=[{"imageTag": "v1"}, {"imageTag": "none"}])
    assert done["imageIds"] == [{"imageDigest": image.digest, "imageTag": "v1"}]
    assert done["failures"][0]["failureCode"] == "ImageNotFound"
    with refused("RepositoryNotEmptyException"):
        ecr.delete_repository(repositoryName="r1")
    ecr.batch_delete_image(repositoryName="r1", imageIds=[{"imageTag": "v2"}])  # the last tag takes the image with it
    assert ecr.list_images(repositoryName="r1")["imageIds"] == []
    registry.push("r1", image, "v1")
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(IMAGE, image.manifest)]})
    ecr.put_image(repositoryName="r1", imageManifest=index, imageTag="all")
    done = ecr.batch_delete_image(repositoryName="r1", imageIds=[{"imageDigest": image.digest}])
    assert done["failures"][0]["failureCode"] == "ImageReferencedByManifestList"
    ecr.delete_repository(repositoryName="r1", force=True)
    assert not list((cloud.state / "blobs/sha256").iterdir()), "the disk still holds what no repository has"


def test_lists_come_in_pages(ecr):
    names = [f"r{i:02}" for i in range(7)]
    for name in names:
        ecr.create_repository(repositoryName=name)
    pages = list(ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(p["repositories"]) for p in pages] == [3, 3, 1]
    assert [r["repositoryName"] for p in pages for r in p["repositories"]] == names


def test_an_unknown_operation_is_refused(ecr):
    with refused("UnknownOperationException"):
        ecr.describe_pull_through_cache_rules()


def test_the_stock_cli_agrees(cloud):
    cloud.aws("ecr", "create-repository", "--repository-name", "cli/app")
    assert cloud.aws("ecr", "describe-repositories")["repositories"][0]["repositoryName"] == "cli/app"
    password = cloud.aws("ecr", "get-login-password").strip()
    assert password.startswith("us-east-1.")
    assert cloud.aws("ecr", "list-images", "--repository-name", "cli/app") == {"imageIds": []}


def test_an_image_of_20_mib_parts(ecr):
    data = bytes(20 << 20)
    ecr.create_repository(repositoryName="r1")
    up = ecr.initiate_layer_upload(repositoryName="r1")
    assert up["partSize"] == len(data)
    ecr.upload_layer_part(repositoryName="r1", uploadId=up["uploadId"], partFirstByte=0, partLastByte=len(data) - 1, layerPartBlob=data)
    ecr.complete_layer_upload(repositoryName="r1", uploadId=up["uploadId"], layerDigests=[digest(data)])
    found = ecr.batch_check_layer_availability(repositoryName="r1", layerDigests=[digest(data)])["layers"][0]
    assert found["layerAvailability"] == "AVAILABLE" and found["layerSize"] == len(data)
