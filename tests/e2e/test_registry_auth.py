# SPDX-License-Identifier: Apache-2.0
"""Credentials of docker's and podman's files and helpers, and mirrors of registries, as oci-build uses them."""

import base64
import json
import os

import pytest

from fault_registry import FaultRegistry, digest
from images import Image
from oci_context import Context

LOGIN = "me:hunter2-secret"


@pytest.fixture
def registry():
    """Gives tokens to LOGIN alone."""
    with FaultRegistry(token_uses=1000, password=LOGIN) as r:
        r.add_image("base", "1", Image({"a": b"x"}))
        yield r


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


def pull(context, registry, code=0, env=None):
    result = context.build(f"FROM {registry.host}/base:1\nLABEL a=b\n", code=code, layout="layout", env=env)
    assert "hunter2" not in result.text
    return result


def auths(registry, login=LOGIN):
    return {"auths": {registry.host: {"auth": base64.b64encode(login.encode()).decode()}}}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def helper(context, name, body):
    """docker-credential-NAME in a folder of its own; the environment that finds it."""
    path = write(context.folder / "bin" / f"docker-credential-{name}", f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}"}


def answer(user, secret):
    return f"cat >/dev/null; echo '{json.dumps({'ServerURL': '', 'Username': user, 'Secret': secret})}'"


def config(context):
    return context.runner.home / ".docker/config.json"


@pytest.mark.parametrize("place", ["home", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG", "XDG_RUNTIME_DIR"])
def test_every_file_is_read(context, registry, tmp_path, place):
    content = auths(registry)
    env = {"home": lambda: write(config(context), content) and {},
           "DOCKER_CONFIG": lambda: {"DOCKER_CONFIG": str(write(tmp_path / "docker/config.json", content).parent)},
           "REGISTRY_AUTH_FILE": lambda: {"REGISTRY_AUTH_FILE": str(write(tmp_path / "auth.json", content))},
           "DOCKER_AUTH_CONFIG": lambda: {"DOCKER_AUTH_CONFIG": json.dumps(content)},
           "XDG_RUNTIME_DIR": lambda: {"XDG_RUNTIME_DIR": str(write(tmp_path / "run/containers/auth.json", content).parent.parent)}}[place]()
    pull(context, registry, env=env)
    assert registry.logins and all(login.startswith("Basic ") for login in registry.logins)


def test_without_credentials_the_refusal_is_said(context, registry):
    result = pull(context, registry, code=1)
    assert "gives no token for base" in result.text and f"log in to {registry.host}" in result.text


def test_a_helper_beats_the_store_and_the_file(context, registry):
    env = helper(context, "right", answer("me", "hunter2-secret"))
    helper(context, "wrong", answer("me", "no"))
    write(config(context), {**auths(registry, "me:no"), "credsStore": "wrong", "credHelpers": {registry.host: "right"}})
    pull(context, registry, env=env)


def test_the_store_beats_the_file(context, registry):
    env = helper(context, "right", answer("me", "hunter2-secret"))
    write(config(context), {**auths(registry, "me:no"), "credsStore": "right"})
    pull(context, registry, env=env)


def test_a_helper_is_asked_for_the_server(context, registry, tmp_path):
    env = helper(context, "ask", f"cat >{tmp_path}/asked; echo \"$1\" >{tmp_path}/verb; echo '{{\"Username\":\"me\",\"Secret\":\"hunter2-secret\"}}'")
    write(config(context), {"credHelpers": {registry.host: "ask"}})
    pull(context, registry, env=env)
    assert (tmp_path / "asked").read_text().strip() == registry.host and (tmp_path / "verb").read_text() == "get\n"


def test_an_identity_token_of_a_helper_is_exchanged(context):
    with FaultRegistry(token_uses=1000, password="hunter2-identity") as registry:
        registry.add_image("base", "1", Image({"a": b"x"}))
        env = helper(context, "id", answer("<token>", "hunter2-identity"))
        write(config(context), {"credHelpers": {registry.host: "id"}})
        pull(context, registry, env=env)
        assert registry.logins == ["hunter2-identity"]


@pytest.mark.parametrize("body, warns", [
    (None, "docker-credential-gone"),
    ("echo 'credentials not found in native keychain'; exit 1", None),
    ("echo 'the vault is locked' >&2; exit 3", "the vault is locked"),
    ("echo 'no json'", "docker-credential-gone"),
])
def test_a_helper_that_has_nothing_to_give_is_no_failure(context, body, warns):
    with FaultRegistry(token_uses=1000) as registry:
        registry.add_image("base", "1", Image({"a": b"x"}))
        env = helper(context, "gone", body) if body else None
        write(config(context), {"credHelpers": {registry.host: "gone"}})
        result = pull(context, registry, env=env)
        assert ("warning" in result.text) == bool(warns)
        assert not warns or warns in result.text


def test_an_old_login_does_not_spoil_what_everybody_may_read(context):
    with FaultRegistry(token_uses=1000, password=LOGIN, anonymous=True) as registry:
        registry.add_image("base", "1", Image({"a": b"x"}))
        write(config(context), auths(registry, "me:expired"))
        result = pull(context, registry)
        assert registry.logins[-1] is None
        assert "warning" in result.text and registry.host in result.text


def test_a_damaged_file_is_named_and_passed_over(context):
    with FaultRegistry() as registry:
        registry.add_image("base", "1", Image({"a": b"x"}))
        write(config(context), "{ not json")
        pull(context, registry)


# ---- mirrors ------------------------------------------------------------------------------------------


def from_mirror(context, registry, mirrors, code=0):
    return context.build(f"FROM {registry.host}/base:1 AS b\nFROM scratch\nCOPY --from=b /a /a\n", code=code, layout="layout",
                         registry_mirrors=[f"{registry.host}={m}" for m in mirrors])


def test_a_mirror_is_asked_first_and_alone(context):
    with FaultRegistry() as registry, FaultRegistry() as mirror:
        for r in (registry, mirror):
            r.add_image("base", "1", Image({"a": b"x"}))
        from_mirror(context, registry, [mirror.url])
        assert mirror.count("GET", "/blobs/") == 2 and registry.count("GET", "/base/") == 0


def test_what_mirrors_do_not_give_comes_from_the_registry(context):
    with FaultRegistry() as registry, FaultRegistry() as empty, FaultRegistry() as broken:
        image = Image({"a": b"x"})
        registry.add_image("base", "1", image)
        broken.add_image("base", "1", image)
        layer = digest(image.layers[0])
        broken.fault("GET", f"/blobs/{layer}", times=100, change=lambda d: d[:-1] + bytes([d[-1] ^ 1]))
        result = from_mirror(context, registry, [empty.url, broken.url, "http://127.0.0.1:1"])
        assert empty.seen and registry.count("GET", layer) == 1
        assert f"mirror {empty.url}" in result.text


def test_a_mirror_that_is_none_is_refused(context):
    for wrong in ("https://mirror.example.com", "docker.io=ftp://x", "docker.io=https://me:hunter2@x"):
        result = context.build("FROM scratch\nLABEL a=b\n", code=None, layout="layout", registry_mirrors=[wrong])
        assert result.code == 1 and "registry_mirrors" in result.text, result.text
        assert "hunter2" not in result.text.replace(wrong, "")
