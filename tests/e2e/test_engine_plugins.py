# SPDX-License-Identifier: Apache-2.0
"""Plugins that are missing, broken, of another version, or writable by others are refused in plain words."""

import os
import shutil

import pytest
from engine import PATH, PLUGINS, pipeline, plain_build, sh, stage


def refused(runner, pipe, name, *args, env=None, code=3):
    file = pipe(pipeline(stage("one", name)))
    result = runner("run", *args, file, env=env, code=code)
    assert "Traceback" not in result.text and f"test.pipe:" in result.text
    assert not (runner.cwd / ".runner").exists(), "nothing may begin"
    return result.text


def folder_with(tmp_path, name, mode=0o755):
    folder = tmp_path / "plugs"
    folder.mkdir(mode=0o755)
    shutil.copy(PLUGINS / f"{name}.so", folder)
    folder.chmod(mode)
    return folder


def test_a_missing_plugin_is_named_with_the_nearest_one(runner, pipe):
    text = refused(runner, pipe, "exce", code=None)
    assert 'no plugin "exce"' in text and 'did you mean "exec"?' in text


def test_a_text_file_is_not_a_plugin(runner, pipe, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p/text.so").write_text("hello\n" * 100)
    assert "not a plugin" in refused(runner, pipe, "text", "--plugin-path", tmp_path / "p")


def test_a_folder_is_not_a_plugin(runner, pipe, tmp_path):
    (tmp_path / "p/text.so").mkdir(parents=True)
    assert "not a plugin" in refused(runner, pipe, "text", "--plugin-path", tmp_path / "p")


@pytest.mark.parametrize("name, words", [
    ("no-symbol", ["not a plugin", "runner_plugin_v1"]),
    ("bad-magic", ["not a plugin", "12345678"]),
    ("wrong-abi", ["ABI 0.1", "this runner", "1.1", "rebuild"]),
    ("newer-major", ["ABI 2.1", "newer runner"]),
    ("newer-minor", ["ABI 1.2", "only 1.1", "newer runner"]),
    ("other-name", ["calls itself", "somebody-else"]),
    ("bad-table", ["far", "outside"]),
    pytest.param("crash-on-load", ["crashes while it is loaded", "signal 11"], marks=plain_build),
])
def test_an_unusable_plugin_is_refused_with_the_reason(runner, pipe, name, words):
    text = refused(runner, pipe, name, *PATH)
    for word in words:
        assert word in text


@plain_build
def test_one_that_crashes_is_blamed_and_the_others_are_fine(runner, pipe):
    file = pipe(pipeline(stage("a", "good"), stage("b", "crash-on-load"), stage("c", "silent")))
    result = runner("run", *PATH, file, code=3)
    assert "crash-on-load.so crashes" in result.text
    assert "good.so" not in result.text and "silent.so" not in result.text


def test_an_older_and_shorter_descriptor_is_welcome(runner, pipe):
    runner("run", *PATH, pipe(pipeline(stage("one", "older"))))


def test_a_plugin_built_against_the_header_of_1_0_runs(runner, pipe, tmp_path):
    (tmp_path / "then").mkdir()
    shutil.copy(PLUGINS / "good-1.0.so", tmp_path / "then/good.so")
    assert '"abi": "1.0"' in runner("plugins", "describe", "good", "--json", "--plugin-path", tmp_path / "then").out
    out = runner("run", "--plugin-path", tmp_path / "then", pipe(pipeline(stage("one", "good", text="hi", count=3)))).out
    assert "text=hi count=3" in out and "created    one  thing/a" in out


def test_what_a_plugin_prints_while_loading_is_no_answer(runner, pipe):
    runner("run", *PATH, pipe(pipeline(stage("one", "noisy-on-load"))))


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_folder_that_others_can_write_is_refused(runner, pipe, tmp_path, mode):
    folder = folder_with(tmp_path, "silent", mode)
    text = refused(runner, pipe, "silent", "--plugin-path", folder)
    assert "refused" in text and str(folder) in text and "chmod o-w" in text


def test_a_file_that_others_can_write_is_refused(runner, pipe, tmp_path):
    folder = folder_with(tmp_path, "silent")
    (folder / "silent.so").chmod(0o666)
    text = refused(runner, pipe, "silent", "--plugin-path", folder)
    assert "refused" in text and "silent.so" in text


def test_a_folder_above_that_others_can_write_is_refused(runner, pipe, tmp_path):
    (tmp_path / "open").mkdir()
    folder = folder_with(tmp_path / "open", "silent")
    (tmp_path / "open").chmod(0o777)
    assert "refused" in refused(runner, pipe, "silent", "--plugin-path", folder)
    (tmp_path / "open").chmod(0o1777)  # sticky, as /tmp: nobody can replace what is not theirs
    runner("run", "--plugin-path", folder, pipe(pipeline(stage("one", "silent"))), code=1)


def test_a_link_to_a_file_that_others_can_write_is_refused(runner, pipe, tmp_path):
    folder = folder_with(tmp_path, "silent", 0o777)
    (tmp_path / "safe").mkdir()
    (tmp_path / "safe/silent.so").symlink_to(folder / "silent.so")
    assert "refused" in refused(runner, pipe, "silent", "--plugin-path", tmp_path / "safe")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_file_of_another_user_is_refused(runner, pipe, tmp_path):
    folder = folder_with(tmp_path, "silent")
    os.chown(folder / "silent.so", 12345, 12345)
    assert "belongs to user 12345" in refused(runner, pipe, "silent", "--plugin-path", folder)


def test_folders_are_searched_in_the_documented_order(runner, pipe, tmp_path):
    def marked(folder, minor):
        # which of the copies is found is seen by its refusal
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(PLUGINS / f"{minor}.so", tmp_path / folder / "exec.so")

    file = pipe(pipeline(sh("one", "true")))
    env = {"RUNNER_PLUGIN_PATH": f"{tmp_path}/from-env:{tmp_path}/from-env-2", "XDG_DATA_HOME": str(tmp_path / "data")}
    runner("run", file, env=env)
    for folder, name in [("data/runner/plugins", "data"), ("plugins", "plugins"), ("from-env-2", "from-env-2"),
                         ("from-env", "from-env"), ("option", "option")]:
        marked(folder, "silent")
        args = ("--plugin-path", tmp_path / "option") if folder == "option" else ()
        text = runner("run", *args, file, env=env, code=3).text
        assert f"{tmp_path}/{folder}/exec.so calls itself" in text
