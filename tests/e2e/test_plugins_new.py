# SPDX-License-Identifier: Apache-2.0
"""Plugins made outside of the source tree, with nothing but an installation of runner."""

import os
import shutil
import subprocess

import pytest

import support


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """PREFIX of an installation made by `make install`, moved afterwards: it must find itself."""
    root = tmp_path_factory.mktemp("install")
    make("install", f"DESTDIR={root}/staged", "PREFIX=/opt/runner")
    shutil.move(root / "staged/opt/runner", root / "moved")
    return root / "moved"


def make_env(**more):
    """No variable of an outer make gets in."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "RUNNER_"))} | more


def make(*words):
    """Of the source tree, without building it: a make that is told other flags would do that anew, while other tests use what is built."""
    done = subprocess.run(["make", "-C", support.SOURCE, "-o", "all", f"B={support.BUILD}", *words], capture_output=True, text=True, timeout=1000,
                          env=make_env())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def work(installed, tmp_path):
    """run(*argv, cwd=..., code=0) with only the installation in reach."""
    home = tmp_path / "home"
    home.mkdir()
    env = {"PATH": f"{installed}/bin:/usr/bin:/bin", "HOME": str(home), "PKG_CONFIG_PATH": f"{installed}/lib/pkgconfig",
           "TMPDIR": str(tmp_path)}

    def run(*argv, cwd=tmp_path, code=0, **more):
        done = subprocess.run(argv, cwd=cwd, env=env | more, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=support.PATIENCE)
        assert done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run


def test_a_new_plugin_compiles_passes_its_test_and_runs(work, tmp_path):
    assert "make check" in work("runner", "plugins", "new", "hello")
    hello = tmp_path / "hello"
    assert len((hello / "Makefile").read_text().splitlines()) == 5
    assert "ok test.sh" in work("make", "check", cwd=hello)
    assert "Hello, world!" in work("runner", "--plugin-path", hello / "build", hello / "hello.pipe")
    used = "".join(p.read_text() for p in hello.glob("build/*.d"))
    assert str(support.SOURCE) not in used, "it was built from the source tree"


def test_an_installed_plugin_is_found_without_a_path(work, tmp_path):
    work("runner", "plugins", "new", "hello", "--dir", "somewhere/else")
    work("make", "install", cwd=tmp_path / "somewhere/else")
    assert (tmp_path / "home/.local/share/runner/plugins/hello.so").is_file()
    assert "hello" in work("runner", "plugins", "list")
    (tmp_path / "my.pipe").write_text("stages: [{id: a, uses: hello, with: {who: you, times: 2}}]\n")
    assert work("runner", "my.pipe").count("Hello, you!") >= 2
    work("make", "uninstall", cwd=tmp_path / "somewhere/else")
    assert "no plugin" in work("runner", "my.pipe", code=2)


def test_its_check_refuses_before_anything_runs(work, tmp_path):
    work("runner", "plugins", "new", "hello")
    work("make", cwd=tmp_path / "hello")
    (tmp_path / "wrong.pipe").write_text("stages: [{id: a, uses: hello, with: {who: you, times: 200}}]\n")
    said = work("runner", "run", "--plugin-path", "hello/build", "wrong.pipe", code=1)
    assert "times must be from 1 to 100" in said and "Hello" not in said


def test_a_group_writable_umask_makes_no_refused_file(work, tmp_path):
    work("runner", "plugins", "new", "hello")
    work("sh", "-c", "umask 002; make check", cwd=tmp_path / "hello")


def test_a_plugin_in_cxx(work, tmp_path):
    folder = tmp_path / "plus"
    folder.mkdir()
    (folder / "Makefile").write_text("NAME := plus\nSRCS := plugin.cc\ninclude $(shell pkg-config --variable=mk runner)\n")
    (folder / "plugin.cc").write_text(
        '#include <runner/plugin.h>\n#include <string>\n'
        'static int run(runner_stage *stage, const runner_host *host, const void *) {\n'
        '\thost->log(stage, RUNNER_INFO, "%s", std::string(3, \'+\').c_str());\n\treturn 0;\n}\n'
        'RUNNER_PLUGIN(.param_size = 0, .flags = 0, .name = "plus", .version = "1", .summary = "In C++",\n'
        '\t      .params = nullptr, .outputs = nullptr, .check = nullptr, .run = run);\n')
    (folder / "p.pipe").write_text("stages: [{id: a, uses: plus}]\n")
    work("make", cwd=folder)
    assert "+++" in work("runner", "--plugin-path", "build", "p.pipe", cwd=folder)


def test_names_and_places_that_cannot_be_are_refused(work, tmp_path):
    assert "no valid name" in work("runner", "plugins", "new", "Hello World", code=2)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    assert "not an empty folder" in work("runner", "plugins", "new", "hello", "--dir", "taken", code=2)


def test_without_an_installation_make_says_what_is_missing(work, tmp_path):
    work("runner", "plugins", "new", "hello")
    assert "PKG_CONFIG_PATH" in work("make", cwd=tmp_path / "hello", code=2, PKG_CONFIG_PATH="/nonexistent")


def test_the_example_builds_and_passes_its_test(work, tmp_path):
    shutil.copytree(support.SOURCE / "examples/out-of-tree-plugin", tmp_path / "example",
                    ignore=shutil.ignore_patterns("build", ".runner"))
    assert "ok test.sh" in work("make", "check", cwd=tmp_path / "example")


def test_uninstall_leaves_nothing(tmp_path):
    make("install", f"PREFIX={tmp_path}/p")
    assert (tmp_path / "p/share/man/man1/runner.1").is_file()
    make("uninstall", f"PREFIX={tmp_path}/p")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
