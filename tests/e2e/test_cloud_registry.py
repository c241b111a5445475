# SPDX-License-Identifier: Apache-2.0
"""The local cloud's registry: OCI distribution and ECR's manners."""

import base64
import json
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from images import CONFIG, IMAGE, INDEX, LAYER, Image, Registry, descriptor, digest, errors
from support import PATIENCE, clean_env, http

REPO = "team/app"


@pytest.fixture
def registry(cloud):
    cloud.client("ecr").create_repository(repositoryName=REPO)
    return Registry(cloud)


@pytest.fixture
def image():
    return Image({"hello": b"hello"})


def test_no_credentials_are_asked_for_with_basic(cloud):
    status, headers, body = http("GET", f"{cloud.url}/v2/")
    assert status == 401 and errors(body) == ["UNAUTHORIZED"]
    assert headers["WWW-Authenticate"].startswith("Basic realm=")
    wrong = base64.b64encode(b"AWS:us-east-1.9999999999." + b"0" * 64).decode()
    assert http("GET", f"{cloud.url}/v2/", {"Authorization": f"Basic {wrong}"})[0] == 401


def test_the_base_says_which_protocol_it_speaks(registry):
    status, headers, body = registry("GET", "/v2/")
    assert status == 200 and headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_a_missing_repository_is_told_when_an_upload_starts(registry):
    status, _, body = registry("POST", "/v2/no/such/blobs/uploads/")
    assert status == 404 and errors(body) == ["NAME_UNKNOWN"]


def test_a_blob_in_one_request_and_read_in_parts(registry):
    data = bytes(range(256)) * 1000
    name = registry.push_blob(REPO, data)
    status, headers, body = registry("GET", f"/v2/{REPO}/blobs/{name}")
    assert (status, body, headers["Docker-Content-Digest"]) == (200, data, name)
    status, headers, body = registry("HEAD", f"/v2/{REPO}/blobs/{name}")
    assert status == 200 and headers["Content-Length"] == str(len(data)) and body == b""
    for text, part in (("bytes=10-19", data[10:20]), ("bytes=255990-", data[255990:]), ("bytes=-5", data[-5:])):
        status, headers, body = registry("GET", f"/v2/{REPO}/blobs/{name}", headers={"Range": text})
        assert (status, body) == (206, part), text
    assert headers["Content-Range"] == f"bytes 255995-255999/{len(data)}"
    assert registry("GET", f"/v2/{REPO}/blobs/{name}", headers={"Range": "bytes=256000-"})[0] == 416


def test_chunks_go_on_where_the_upload_ends(registry):
    data = b"abcdef" * 5000
    status, headers, _ = registry("POST", f"/v2/{REPO}/blobs/uploads/")
    assert status == 202 and headers["Docker-Upload-UUID"]
    where = headers["Location"]
    status, headers, _ = registry("PATCH", where, data[:10000], {"Content-Range": "0-9999"})
    assert status == 202 and headers["Range"] == "0-9999"
    status, _, body = registry("PATCH", where, data[:10], {"Content-Range": "5-14"})
    assert status == 416
    status, headers, _ = registry("GET", where)
    assert status == 204 and headers["Range"] == "0-9999"
    status, headers, _ = registry("PATCH", where, data[10000:20000], {"Content-Range": "10000-19999"})
    assert status == 202 and headers["Range"] == "0-19999"
    status, headers, _ = registry("PUT", f"{where}?digest={digest(data)}", data[20000:])
    assert status == 201 and headers["Docker-Content-Digest"] == digest(data)
    assert registry("GET", f"/v2/{REPO}/blobs/{digest(data)}")[2] == data
    assert errors(registry("GET", where)[2]) == ["BLOB_UPLOAD_UNKNOWN"]


def test_an_upload_is_free_for_the_next_request_once_one_is_answered(cloud, registry):
    basic = base64.b64encode(b"AWS:" + registry.password.encode()).decode()
    host, port = cloud.host.split(":")

    def upload(_):
        where = registry("POST", f"/v2/{REPO}/blobs/uploads/")[1]["Location"]
        head = f"Host: {cloud.host}\r\nAuthorization: Basic {basic}\r\nContent-Length: "
        first, second = (socket.create_connection((host, int(port))) for _ in range(2))
        with first, second:  # the second request waits on a connection of its own, but for its last byte
            second.sendall(f"PATCH {where} HTTP/1.1\r\n{head}1\r\n\r".encode())
            first.sendall(f"PATCH {where} HTTP/1.1\r\n{head}4\r\n\r\nabcd".encode())
            answers = [first.recv(100)]
            second.sendall(b"\nx")
            answers.append(second.recv(100))
        return [a.split()[1] for a in answers]

    with ThreadPoolExecutor(4) as pool:
        assert all(a == [b"202", b"202"] for a in pool.map(upload, range(120)))


def test_a_wrong_digest_stores_nothing(registry):
    status, _, body = registry("POST", f"/v2/{REPO}/blobs/uploads/?digest={digest(b'other')}", b"this")
    assert status == 400 and errors(body) == ["DIGEST_INVALID"]
    for data in (b"this", b"other"):
        assert registry("HEAD", f"/v2/{REPO}/blobs/{digest(data)}")[0] == 404
    assert errors(registry("POST", f"/v2/{REPO}/blobs/uploads/?digest=md5:12", b"x")[2]) == ["DIGEST_INVALID"]


def test_an_upload_can_be_given_up(registry):
    where = registry("POST", f"/v2/{REPO}/blobs/uploads/")[1]["Location"]
    assert registry("DELETE", where)[0] == 204
    assert registry("PATCH", where, b"x")[0] == 404


def test_a_blob_is_mounted_from_another_repository(cloud, registry):
    cloud.client("ecr").create_repository(repositoryName="other")
    name = registry.push_blob(REPO, b"shared")
    status, headers, _ = registry("POST", f"/v2/other/blobs/uploads/?mount={name}&from={REPO}")
    assert status == 201 and headers["Location"] == f"/v2/other/blobs/{name}"
    assert registry("GET", f"/v2/other/blobs/{name}")[2] == b"shared"
    status, headers, _ = registry("POST", f"/v2/other/blobs/uploads/?mount={digest(b'none')}&from={REPO}")
    assert status == 202 and "/blobs/uploads/" in headers["Location"]


def test_an_image_by_tag_and_digest(registry, image):
    assert registry.push(REPO, image, "v1") == image.digest
    for reference in ("v1", image.digest):
        status, headers, body = registry("GET", f"/v2/{REPO}/manifests/{reference}")
        assert (status, body, headers["Content-Type"]) == (200, image.manifest, IMAGE)
        assert headers["Docker-Content-Digest"] == image.digest
    status, headers, body = registry("HEAD", f"/v2/{REPO}/manifests/v1")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(image.manifest)))
    assert errors(registry("GET", f"/v2/{REPO}/manifests/v2")[2]) == ["MANIFEST_UNKNOWN"]


def test_a_manifest_by_sha512(registry, image):
    for data in (*image.layers, image.config):
        registry.push_blob(REPO, data)
    name = digest(image.manifest, "sha512")
    status, headers, _ = registry("PUT", f"/v2/{REPO}/manifests/{name}", image.manifest, {"Content-Type": IMAGE})
    assert status == 201 and headers["Docker-Content-Digest"] == name
    assert registry("GET", f"/v2/{REPO}/manifests/{name}")[2] == image.manifest


@pytest.mark.parametrize("change, code", [
    (lambda m: m.update(schemaVersion=1), "MANIFEST_INVALID"),
    (lambda m: m.pop("config"), "MANIFEST_INVALID"),
    (lambda m: m.pop("layers"), "MANIFEST_INVALID"),
    (lambda m: m.update(mediaType=INDEX), "MANIFEST_INVALID"),
    (lambda m: m["layers"].append(descriptor(LAYER, b"nobody has this")), "MANIFEST_BLOB_UNKNOWN"),
])
def test_a_bad_manifest_is_refused(registry, image, change, code):
    registry.push(REPO, image, "v1")
    manifest = json.loads(image.manifest)
    change(manifest)
    status, _, body = registry("PUT", f"/v2/{REPO}/manifests/bad", json.dumps(manifest).encode(), {"Content-Type": IMAGE})
    assert (status, errors(body)) == (400, [code])


def test_garbage_and_mismatch_are_refused(registry, image):
    registry.push(REPO, image, "v1")
    put = lambda reference, data: registry("PUT", f"/v2/{REPO}/manifests/{reference}", data, {"Content-Type": IMAGE})  # noqa: E731
    assert errors(put("x", b"{")[2]) == ["MANIFEST_INVALID"]
    assert errors(put(digest(b"else"), image.manifest)[2]) == ["DIGEST_INVALID"]
    assert errors(put("-x", image.manifest)[2]) == ["TAG_INVALID"]
    assert put("big", b" " * (5 << 20))[0] == 413


def test_an_index_needs_its_images(registry, image):
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(IMAGE, image.manifest)]}).encode()
    put = lambda: registry("PUT", f"/v2/{REPO}/manifests/all", index, {"Content-Type": INDEX})  # noqa: E731
    assert errors(put()[2]) == ["MANIFEST_BLOB_UNKNOWN"]
    registry.push(REPO, image, "v1")
    assert put()[0] == 201


def test_tags_come_in_pages(registry, image):
    for i in range(5):
        registry.push(REPO, image, f"t{i}")
    assert json.loads(registry("GET", f"/v2/{REPO}/tags/list")[2]) == {"name": REPO, "tags": [f"t{i}" for i in range(5)]}
    seen, url = [], f"/v2/{REPO}/tags/list?n=2"
    while url:
        _, headers, body = registry("GET", url)
        seen += json.loads(body)["tags"]
        url = headers["Link"].partition("<")[2].partition(">")[0] if headers["Link"] else None
    assert seen == [f"t{i}" for i in range(5)]
    assert json.loads(registry("GET", f"/v2/{REPO}/tags/list?n=0")[2])["tags"] == []


def test_referrers_are_listed_and_filtered(registry, image):
    registry.push(REPO, image, "v1")
    _, _, body = registry("GET", f"/v2/{REPO}/referrers/{image.digest}")
    assert json.loads(body)["manifests"] == []
    about = Image({"sbom": b"{}"}, artifactType="application/spdx", annotations={"made": "by test"},
                  subject=descriptor(IMAGE, image.manifest))
    for data in (*about.layers, about.config):
        registry.push_blob(REPO, data)
    status, headers, _ = registry("PUT", f"/v2/{REPO}/manifests/{about.digest}", about.manifest, {"Content-Type": IMAGE})
    assert status == 201 and headers["OCI-Subject"] == image.digest
    _, headers, body = registry("GET", f"/v2/{REPO}/referrers/{image.digest}")
    found = json.loads(body)
    assert found["mediaType"] == headers["Content-Type"] == INDEX
    assert found["manifests"] == [{"mediaType": IMAGE, "digest": about.digest, "size": len(about.manifest),
                                   "artifactType": "application/spdx", "annotations": {"made": "by test"}}]
    _, headers, body = registry("GET", f"/v2/{REPO}/referrers/{image.digest}?artifactType=other")
    assert headers["OCI-Filters-Applied"] == "artifactType" and json.loads(body)["manifests"] == []


def test_deleting_a_tag_leaves_the_image(registry, image):
    registry.push(REPO, image, "v1")
    assert registry("DELETE", f"/v2/{REPO}/manifests/v1")[0] == 202
    assert registry("GET", f"/v2/{REPO}/manifests/v1")[0] == 404
    assert registry("GET", f"/v2/{REPO}/manifests/{image.digest}")[0] == 200
    assert registry("DELETE", f"/v2/{REPO}/manifests/{image.digest}")[0] == 202
    assert registry("DELETE", f"/v2/{REPO}/manifests/{image.digest}")[0] == 404
    blob = digest(image.config)
    assert registry("DELETE", f"/v2/{REPO}/blobs/{blob}")[0] == 202
    assert registry("HEAD", f"/v2/{REPO}/blobs/{blob}")[0] == 404


def test_an_immutable_tag_does_not_move(cloud, image):
    cloud.client("ecr").create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    registry, other = Registry(cloud), Image({"other": b"other"})
    registry.push("fixed", image, "v1")
    registry.push("fixed", image, "v1")  # the same image is no move
    for data in (*other.layers, other.config):
        registry.push_blob("fixed", data)
    status, _, body = registry("PUT", "/v2/fixed/manifests/v1", other.manifest, {"Content-Type": IMAGE})
    assert (status, errors(body)) == (400, ["TAG_INVALID"])
    assert registry("GET", "/v2/fixed/manifests/v1")[2] == image.manifest


def test_repositories_of_another_region_are_not_seen(cloud, registry):
    import boto3

    west = boto3.client("ecr", endpoint_url=cloud.url, aws_access_key_id=cloud.access_key,
                        aws_secret_access_key=cloud.secret_key, region_name="us-west-2")
    token = west.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    status, _, body = http("POST", f"{cloud.url}/v2/{REPO}/blobs/uploads/", {"Authorization": f"Basic {token}"}, b"")
    assert status == 404 and errors(body) == ["NAME_UNKNOWN"]


def skopeo(*args):
    return subprocess.run(["skopeo", *map(str, args)], check=True, capture_output=True, text=True, timeout=PATIENCE).stdout


def test_skopeo_pushes_inspects_pulls_and_deletes(cloud, registry, image, tmp_path):
    layout = image.write_layout(tmp_path / "layout")
    there, creds = f"docker://{cloud.host}/{REPO}:v1", f"AWS:{registry.password}"
    skopeo("copy", "--dest-tls-verify=false", "--dest-creds", creds, layout, there)
    found = json.loads(skopeo("inspect", "--tls-verify=false", "--creds", creds, there))
    assert found["Digest"] == image.digest and found["RepoTags"] == ["v1"]
    skopeo("copy", "--src-tls-verify=false", "--src-creds", creds, there, f"oci:{tmp_path}/back:v1")
    for data in (*image.layers, image.config, image.manifest):
        assert (tmp_path / "back/blobs/sha256" / digest(data)[7:]).read_bytes() == data
    skopeo("delete", "--tls-verify=false", "--creds", creds, there)
    assert registry("GET", f"/v2/{REPO}/manifests/v1")[0] == 404


@pytest.mark.parametrize("tool", ["podman", "buildah"])
def test_other_builders_push_and_pull(cloud, registry, image, tmp_path, tool):
    layout = image.write_layout(tmp_path / "layout")
    short = tempfile.TemporaryDirectory()  # podman refuses long names here
    env = {**clean_env(tmp_path), "XDG_RUNTIME_DIR": short.name}
    store = ["--root", tmp_path / "store", "--runroot", short.name, "--storage-driver", "vfs"]

    def run(*args, **more):
        done = subprocess.run([tool, *map(str, [*store, *args])], env=env, text=True, capture_output=True, timeout=PATIENCE, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    auth = ["--authfile", tmp_path / "auth.json", "--tls-verify=false"]
    run("login", "-u", "AWS", "--password-stdin", *auth, cloud.host, input=registry.password)
    name = run("pull", "-q", layout)
    run("push", "-q", *auth, "--digestfile", tmp_path / "digest", name, f"docker://{cloud.host}/{REPO}:{tool}")
    pushed = cloud.client("ecr").describe_images(repositoryName=REPO, imageIds=[{"imageTag": tool}])["imageDetails"][0]
    assert pushed["imageDigest"] == (tmp_path / "digest").read_text()
    run("rmi", "-f", name)
    assert run("pull", "-q", *auth, f"{cloud.host}/{REPO}:{tool}") == name
    short.cleanup()


def test_twenty_pushes_at_once(cloud, registry):
    images = [Image({f"f{i}": bytes([i]) * 200_000, "same": b"same"}) for i in range(20)]
    with ThreadPoolExecutor(20) as pool:
        pushed = list(pool.map(lambda i: registry.push(REPO, images[i], f"t{i}"), range(20)))
    assert pushed == [i.digest for i in images]
    details = cloud.client("ecr").describe_images(repositoryName=REPO)["imageDetails"]
    assert {d["imageDigest"]: d["imageTags"] for d in details} == {images[i].digest: [f"t{i}"] for i in range(20)}
    for i, one in enumerate(images):
        assert registry("GET", f"/v2/{REPO}/blobs/{digest(one.layers[0])}")[2] == one.layers[0]


def test_a_cut_off_upload_goes_on_after_kill(cloud, registry):
    data = b"0123456789" * 20000
    where = registry("POST", f"/v2/{REPO}/blobs/uploads/")[1]["Location"]
    assert registry("PATCH", where, data[:100000])[0] == 202
    cloud.kill()
    cloud.start()
    again = Registry(cloud)
    status, headers, _ = again("GET", where)
    assert (status, headers["Range"]) == (204, "0-99999")
    assert again("PUT", f"{where}?digest={digest(data)}", data[100000:], {"Content-Range": "100000-199999"})[0] == 201
    assert again("GET", f"/v2/{REPO}/blobs/{digest(data)}")[2] == data


def test_config_type_is_kept(cloud, registry, image):
    registry.push(REPO, image, "v1")
    detail = cloud.client("ecr").describe_images(repositoryName=REPO)["imageDetails"][0]
    assert detail["artifactMediaType"] == CONFIG


def test_a_large_blob_takes_little_memory(cloud, registry, tmp_path):
    """128 MiB up in one PATCH and down again; the process never holds a quarter of it."""
    size = 128 << 20
    with open(tmp_path / "blob", "wb") as f:
        f.truncate(size)
    name = "sha256:254bcc3fc4f27172636df4bf32de9f107f620d559b20d760197e452b97453917"
    where = registry("POST", f"/v2/{REPO}/blobs/uploads/")[1]["Location"]
    curl = ["curl", "-sS", "--fail", "-u", f"AWS:{registry.password}"]
    subprocess.run([*curl, "-X", "PATCH", "-T", tmp_path / "blob", cloud.url + where], check=True, timeout=PATIENCE)
    assert registry("PUT", f"{where}?digest={name}")[0] == 201
    subprocess.run([*curl, "-o", tmp_path / "back", f"{cloud.url}/v2/{REPO}/blobs/{name}"], check=True, timeout=PATIENCE)
    assert (tmp_path / "back").stat().st_size == size
    status = (Path("/proc") / str(cloud.running.pid) / "status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak * 1024 < size / 4, f"{peak} kB"
