# SPDX-License-Identifier: Apache-2.0
"""What a plugin declares is remembered while its file is unchanged, and asked for again whenever anything is off."""

import os
import shutil

import pytest
from engine import PLUGINS, journal, pipeline, stage, wait_for


class Place:
    """A folder with the plugin `counts-loads`, a pipeline that uses it, and the user's memory."""

    def __init__(self, runner, pipe, folder):
        self.runner, self.folder, self.memory = runner, folder, runner.home / "cache/runner/plugins"
        self.plugin = self.folder / "counts-loads.so"
        self.file = pipe(pipeline(stage("one", "counts-loads", word="hi")))

    def loads(self):
        path = self.runner.home / "loads"
        return path.stat().st_size if path.exists() else 0

    def validate(self, **more):
        return self.runner("validate", "--plugin-path", self.folder, self.file, **more)

    def probes(self, **more):
        """How often the plugin was loaded to check the file."""
        before = self.loads()
        self.validate(**more)
        return self.loads() - before

    def record(self):
        (record,) = self.memory.glob("counts-loads-*")
        return record

    def remembered(self):
        """Until it is: a file that was changed a moment ago is not."""
        wait_for(lambda: self.probes() == 0, "the plugin is remembered")
        return self


def copied(folder):
    folder.mkdir()
    shutil.copy(PLUGINS / "counts-loads.so", folder)
    return folder


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("shared") / "plugs")


@pytest.fixture
def place(runner, pipe, shared_folder):
    """With a plugin that no test changes, so that it is an old file soon."""
    return Place(runner, pipe, shared_folder)


@pytest.fixture
def own_place(runner, pipe, tmp_path):
    return Place(runner, pipe, copied(tmp_path / "plugs"))


def test_a_file_that_was_changed_a_moment_ago_is_not_remembered(own_place):
    os.utime(own_place.plugin)
    assert own_place.probes() == 1
    assert own_place.remembered().record().stat().st_mode & 0o777 == 0o600


def test_a_run_loads_a_remembered_plugin_in_its_worker_only(place):
    place.remembered()
    before = place.loads()
    place.runner("run", "--plugin-path", place.folder, place.file)
    assert place.loads() == before + 1


def test_what_is_remembered_checks_as_well(place, pipe):
    place.remembered()
    place.file = pipe(pipeline(stage("one", "counts-loads", wrod="hi")))
    before = place.loads()
    assert 'did you mean "word"' in place.validate(code=2).text
    assert place.loads() == before


def test_a_changed_plugin_is_asked_again(own_place):
    own_place.remembered()
    own_place.plugin.write_bytes((PLUGINS / "silent.so").read_bytes())  # in own_place, so it is the same file otherwise
    assert "calls itself" in own_place.validate(code=3).text
    shutil.copy(PLUGINS / "counts-loads.so", own_place.plugin)
    assert own_place.probes() == 1
    own_place.remembered()


def test_a_plugin_that_took_the_place_of_another_is_asked(own_place):
    own_place.remembered()
    shutil.copy(PLUGINS / "counts-loads.so", own_place.folder / "new.so")
    (own_place.folder / "new.so").rename(own_place.plugin)
    assert own_place.probes() == 1


@pytest.mark.parametrize("harm", [
    lambda text: b"", lambda text: text[:-1], lambda text: text[: len(text) // 2], lambda text: text + b"}",
    lambda text: text.replace(b'"word"', b'"wort"'), lambda text: text[:65] + b"{}", lambda text: b"0" * 64 + text[64:],
    lambda text: b"\0" * len(text), lambda text: text.upper(),
])
def test_a_damaged_memory_is_none(place, harm):
    record = place.remembered().record()
    damaged = harm(record.read_bytes())
    record.write_bytes(damaged)
    assert place.probes() == 1
    assert record.read_bytes() != damaged and place.probes() == 0, "it is written anew"


@pytest.mark.parametrize("mode", [0o622, 0o602])
def test_a_memory_that_others_can_write_is_none(place, mode):
    record = place.remembered().record()
    os.chown(record, -1, os.getegid() if os.geteuid() else 12345)
    record.chmod(mode)
    assert place.probes() == 1


@pytest.mark.parametrize("below", ["cache/runner/plugins", "cache/runner", "cache"])
def test_a_folder_of_memory_that_others_can_write_is_left_alone(place, below):
    record = place.remembered().record()
    def facts():
        s = record.stat()
        return s.st_ino, s.st_mode, s.st_uid, s.st_size, s.st_mtime_ns, s.st_ctime_ns

    before = facts()
    (place.runner.home / below).chmod(0o777)
    assert place.probes() == 1 and place.probes() == 1
    assert facts() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_memory_of_another_user_is_none(place):
    os.chown(place.remembered().record(), 12345, 12345)
    assert place.probes() == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_nothing_is_made_in_the_home_of_another_user(place, tmp_path):
    """`sudo` may leave HOME as it was: a .cache that belongs to root would break that user's programs."""
    place.remembered()
    (tmp_path / "alice").mkdir()
    os.chown(tmp_path / "alice", 12345, 12345)
    assert place.probes(env={"XDG_CACHE_HOME": str(tmp_path / "alice/.cache")}) == 1
    assert not list((tmp_path / "alice").iterdir())


def test_a_link_leads_to_no_memory(place, tmp_path):
    record = place.remembered().record()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    record.rename(tmp_path / "shared/record")
    record.symlink_to(tmp_path / "shared/record")
    assert place.probes() == 1


@pytest.mark.parametrize("cache", ["a file", "nowhere", "read-only"])
def test_a_run_needs_no_memory(place, tmp_path, cache):
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    if cache == "a file":
        (tmp_path / "cache").write_text("")
    elif cache == "nowhere":
        env = {"XDG_CACHE_HOME": None, "HOME": None}
    else:
        (tmp_path / "cache/runner/plugins").mkdir(parents=True)
        (tmp_path / "cache/runner/plugins").chmod(0o555)
    for _ in range(2):
        assert "1 of 1 stages ok" in place.runner("run", "--plugin-path", place.folder, place.file, env=env).out
    if cache == "read-only" and os.geteuid():
        assert not list((tmp_path / "cache/runner/plugins").iterdir())


def test_plugins_list_asks_the_plugins_themselves(place):
    place.remembered()
    before = place.loads()
    place.runner("plugins", "describe", "counts-loads", "--plugin-path", place.folder)
    assert place.loads() == before + 1


def test_a_resumed_stage_sees_that_its_plugin_changed(own_place):
    def run(*args):
        return own_place.runner("run", *args, "--plugin-path", own_place.folder, own_place.file)

    own_place.remembered()
    run()
    assert "1 reused" in run("--resume").out
    with open(own_place.plugin, "ab") as file:  # behind the sections: it loads as before
        file.write(b"changed")
    assert "the plugin `counts-loads` changed" in run("--resume").out


def test_the_digest_is_taken_when_a_run_needs_it(place):
    assert b'"digest"' not in place.remembered().record().read_bytes()
    for _ in range(2):
        place.runner("run", "--plugin-path", place.folder, place.file)
        assert b'"digest"' in place.record().read_bytes()
        (end,) = [line for line in journal(place.runner.cwd) if line["event"] == "stage-end"]
        assert len(end["key"]["plugin"]) == 64


def test_the_memory_is_bounded(place):
    place.remembered()
    for n in range(300):
        (place.memory / f"old-{n}").write_text("")
    place.record().unlink()
    place.remembered()
    assert len(list(place.memory.iterdir())) == 1
