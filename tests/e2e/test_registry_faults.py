# SPDX-License-Identifier: Apache-2.0
"""oci-build against a registry that fails in every way: each is repaired, or refused in words, and nothing half stays behind."""

import json
import re
import time
from email.utils import formatdate

import pytest

from fault_registry import FaultRegistry, digest
from images import Image
from oci_context import Context, noise

BIG = 3 << 20
LAYER_UPLOAD = r"^/uploads/"


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


@pytest.fixture
def registry():
    with FaultRegistry() as r:
        yield r


def push(context, registry, code=0, **params):
    """Builds one layer of 3 MiB and a small one, and pushes to app:v1."""
    context.write("big", noise(BIG))
    context.write("small", "small\n")
    return context.build("FROM scratch\nCOPY big /big\nCOPY small /small\n", code=code, push=True, tags=[f"{registry.host}/app:v1"], **params)


def pushed(registry, repository="app", tag="v1"):
    """The manifest, once everything that it names is there."""
    manifest = json.loads(registry.manifests[repository, tag][1])
    for d in (manifest["config"], *manifest["layers"]):
        assert digest(registry.blobs[d["digest"]]) == d["digest"]
        assert (repository, d["digest"]) in registry.members
    return manifest


def base(registry, size=BIG, **more):
    image = Image({"bin/tool": noise(size, 2)}, **more)
    registry.add_image("base", "1", image)
    return image


def pull(context, registry, code=0, **params):
    """COPY out of a base image, which needs its layer's bytes."""
    result = context.build(f"FROM {registry.host}/base:1 AS b\nFROM scratch\nCOPY --from=b /bin/tool /tool\n", code=code, layout="layout", **params)
    return result


# ---- transient answers --------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_a_transient_answer_is_asked_again(context, registry, status):
    base(registry)
    registry.fault("GET", "/manifests/1", status=status)
    registry.fault("GET", "/blobs/", status=status, skip=1)
    registry.fault("POST", "/uploads/", status=status)
    registry.fault("PUT", "/manifests/", status=status)
    pulled = pull(context, registry)
    sent = push(context, registry)
    assert len(pushed(registry)["layers"]) == 2
    assert all(f.hits for f in registry.faults), registry.faults
    for said, request in ((pulled, "GET base/manifests/1"), (sent, "POST app/blobs/uploads/"), (sent, "PUT app/manifests/v1")):
        assert f"{request}: try 1 failed (status {status})" in said.text


def test_a_limit_in_the_middle_of_a_push_is_waited_for(context, registry):
    for method, path in (("POST", "/blobs/uploads/"), ("PUT", LAYER_UPLOAD), ("PUT", "/manifests/v1")):
        registry.fault(method, path, status=429, headers={"Retry-After": "1"})
    begin = time.monotonic()
    push(context, registry)
    assert time.monotonic() - begin >= 2, "the manifest is sent when the layers have arrived"
    assert len(pushed(registry)["layers"]) == 2 and all(f.hits == 1 for f in registry.faults)


def test_a_limit_is_waited_for_as_long_as_the_registry_says(context, registry):
    base(registry, 1000)
    registry.fault("GET", "/manifests/1", status=429, headers={"Retry-After": "1"})
    begin = time.monotonic()
    pull(context, registry)
    assert time.monotonic() - begin >= 1


def test_a_limit_with_a_date_is_understood(context, registry):
    base(registry, 1000)
    registry.fault("GET", "/manifests/1", status=429, headers={"Retry-After": formatdate(time.time() + 2, usegmt=True)})
    begin = time.monotonic()
    pull(context, registry)
    assert time.monotonic() - begin >= 0.9


def test_a_limit_beyond_patience_is_said(context, registry):
    base(registry, 1000)
    registry.fault("GET", "/manifests/1", times=100, status=429, headers={"Retry-After": "86400", "Content-Type": "application/json"},
                   body=json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": "pull rate limit"}]}).encode())
    result = pull(context, registry, code=1)
    assert "429" in result.text and "TOOMANYREQUESTS: pull rate limit" in result.text and "log in, or use a mirror" in result.text
    assert registry.faults[0].hits == 1


def test_a_registry_that_stays_broken_is_given_up_with_its_words(context, registry):
    registry.fault("PUT", "/manifests/", times=100, status=400, headers={"Content-Type": "application/json"},
                   body=b'{"errors":[{"code":"MANIFEST_INVALID","message":"no thanks","detail":"too blue"}]}')
    result = push(context, registry, code=1)
    assert "MANIFEST_INVALID: no thanks (too blue)" in result.text
    assert ("app", "v1") not in registry.manifests


# ---- cut connections ------------------------------------------------------------------------


def test_a_download_goes_on_where_it_was_cut(context, registry):
    image = base(registry)
    layer = digest(image.layers[0])
    registry.fault("GET", f"/blobs/{layer}", cut=1 << 20)
    registry.fault("GET", f"/blobs/{layer}", cut=1 << 19)
    pull(context, registry)
    ranges = [q.headers.get("range") for q in registry.seen if q.method == "GET" and layer in q.target]
    assert ranges[0] is None and len(ranges) == 3
    offsets = [int(re.fullmatch(r"bytes=(\d+)-", r)[1]) for r in ranges[1:]]
    assert 0 < offsets[0] <= 1 << 20 and offsets[0] < offsets[1] <= (1 << 20) + (1 << 19)


def test_a_download_starts_over_where_ranges_are_not_known(context, registry):
    image = base(registry)
    layer = digest(image.layers[0])

    def forget_range(handler):
        del handler.headers["Range"]

    registry.fault("GET", f"/blobs/{layer}", cut=1 << 20)
    registry.fault("GET", f"/blobs/{layer}", run=forget_range)
    pull(context, registry)
    assert registry.count("GET", layer) == 2


def test_an_upload_goes_on_where_the_registry_says(context, registry):
    registry.fault("(PUT|PATCH)", LAYER_UPLOAD, cut=1 << 20)
    registry.fault("(PUT|PATCH)", LAYER_UPLOAD, cut=1 << 19)
    push(context, registry)
    pushed(registry)
    sent = sum(q.received for q in registry.seen if q.method in ("PUT", "PATCH") and q.target.startswith("/uploads/"))
    assert BIG < sent < BIG + (1 << 19), "what had arrived was sent again"


def test_a_forgotten_upload_begins_again(context, registry):
    def forget(handler):
        registry.uploads.pop(handler.path.partition("?")[0].rpartition("/")[2], None)

    registry.fault("(PUT|PATCH)", LAYER_UPLOAD, cut=1 << 20)
    registry.fault("GET", LAYER_UPLOAD, run=forget)
    push(context, registry)
    pushed(registry)
    assert registry.faults[1].hits == 1


def test_an_upload_that_is_unknown_when_it_is_closed_begins_again(context, registry):
    def forget(handler):
        registry.uploads.pop(handler.path.partition("?")[0].rpartition("/")[2], None)

    registry.fault("PUT", LAYER_UPLOAD, run=forget)
    push(context, registry)
    pushed(registry)


def test_an_upload_whose_answer_was_lost_is_not_sent_again(context, registry):
    def store_and_hang_up(handler):
        handler.query = {"digest": handler.path.rpartition("digest=")[2]}
        name = handler.path.partition("?")[0].rpartition("/")[2]
        repository, data = registry.uploads.pop(name)
        for piece in handler.pieces():
            data += piece
        registry.add_blob(repository, bytes(data))
        handler.reset()
        raise ConnectionError

    registry.fault("PUT", LAYER_UPLOAD, run=store_and_hang_up)
    push(context, registry)
    pushed(registry)


# ---- tokens and hosts ---------------------------------------------------------------------------


def test_tokens_that_end_in_the_middle_are_renewed(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    with FaultRegistry(token_uses=2) as registry:
        push(context, registry)
        pushed(registry)
        assert registry.tokens > 3


def login(context, registry, password):
    import base64
    home = context.runner.home / ".docker"
    home.mkdir(parents=True)
    auth = base64.b64encode(password.encode()).decode()
    (home / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))


def test_credentials_do_not_follow_a_redirect(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    with FaultRegistry(token_uses=100, password="me:hunter2") as registry, FaultRegistry() as store:
        login(context, registry, "me:hunter2")
        image = base(registry)
        layer = digest(image.layers[0])
        store.add_blob("base", image.layers[0])
        registry.fault("GET", f"/blobs/{layer}", status=307, headers={"Location": f"http://localhost:{store.server.server_port}/v2/base/blobs/{layer}?X-Amz-Signature=abc"})
        result = pull(context, registry)
        assert store.count("GET", layer) == 1
        assert all("authorization" not in q.headers and "cookie" not in q.headers for q in store.seen)
        assert any("authorization" in q.headers for q in registry.seen)
        assert "hunter2" not in result.text and "token-1" not in result.text


def test_an_upload_elsewhere_gets_no_credentials(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    with FaultRegistry(token_uses=100, password="me:hunter2") as registry, FaultRegistry() as store:
        login(context, registry, "me:hunter2")

        def elsewhere(handler):
            store.uploads["x"] = ("app", bytearray())

        registry.fault("POST", "/uploads/", status=202, run=elsewhere, times=1,
                       headers={"Location": f"http://localhost:{store.server.server_port}/uploads/x?sig=1"})
        context.write("a", "a")
        context.build("FROM scratch\nCOPY a /a\n", code=None, push=True, tags=[f"{registry.host}/app:v1"])
        assert store.seen and all("authorization" not in q.headers for q in store.seen)


# ---- lies -------------------------------------------------------------------------------------------


def flip(data):
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def test_a_blob_of_other_bytes_is_refused_and_not_kept(context, registry):
    image = base(registry)
    layer = digest(image.layers[0])
    registry.fault("GET", f"/blobs/{layer}", times=100, change=flip)
    result = pull(context, registry, code=1)
    assert layer in result.text and "other bytes" in result.text
    assert layer[7:] not in context.blobs() and digest(flip(image.layers[0]))[7:] not in context.blobs()
    assert context.leftovers() == []


@pytest.mark.parametrize("change, words", [(lambda d: d + b"more", "more than"), (lambda d: d[:-1], "ends after")])
def test_a_blob_of_another_length_is_refused(context, registry, change, words):
    image = base(registry, 5000)
    registry.fault("GET", f"/blobs/{digest(image.layers[0])}", times=100, change=change)
    result = pull(context, registry, code=1)
    assert words in result.text
    assert context.leftovers() == []


def test_a_manifest_of_another_digest_is_refused(context, registry):
    image = base(registry, 1000)
    registry.fault("GET", "/manifests/1", times=100, headers={"Docker-Content-Digest": "sha256:" + "0" * 64})
    result = pull(context, registry, code=1)
    assert "sha256:" + "0" * 64 in result.text and image.digest in result.text


def test_a_pinned_manifest_must_have_its_digest(context, registry):
    image = base(registry, 1000)
    other = Image({"other": b"x"})
    registry.manifests["base", image.digest] = ("application/vnd.oci.image.manifest.v1+json", other.manifest)
    result = context.build(f"FROM {registry.host}/base@{image.digest}\nLABEL a=b\n", code=1, layout="layout")
    assert image.digest in result.text and other.digest in result.text


def test_a_manifest_without_end_is_refused(context, registry):
    base(registry, 1000)
    registry.fault("GET", "/manifests/1", times=100, change=lambda d: d + b" " * (5 << 20))
    result = pull(context, registry, code=1)
    assert "the answer's body is larger than allowed" in result.text


def test_a_registry_that_stores_a_manifest_as_something_else_is_told(context, registry):
    registry.fault("PUT", "/manifests/", times=100, status=201, headers={"Docker-Content-Digest": "sha256:" + "1" * 64})
    result = push(context, registry, code=1)
    assert "stored manifest" in result.text


# ---- mounts ------------------------------------------------------------------------------------------


def test_base_layers_are_mounted_on_the_same_registry(context, registry):
    image = base(registry)
    context.write("a", "a")
    context.build(f"FROM {registry.host}/base:1\nCOPY a /a\n", push=True, tags=[f"{registry.host}/app:v1"])
    assert registry.count("GET", digest(image.layers[0])) <= 1
    assert registry.count("POST", "mount=" + digest(image.layers[0])) == 1
    assert pushed(registry)["layers"][0]["digest"] == digest(image.layers[0])


def test_a_refused_mount_becomes_an_upload(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    with FaultRegistry(mounts=False) as registry:
        image = base(registry)
        context.write("a", "a")
        context.build(f"FROM {registry.host}/base:1\nCOPY a /a\n", push=True, tags=[f"{registry.host}/app:v1"])
        pushed(registry)
        # the session that the refusal began was used, not left behind
        assert registry.count("POST", "/blobs/uploads/") == 3
        assert digest(image.layers[0])[7:] in context.blobs()
