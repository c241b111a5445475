# SPDX-License-Identifier: Apache-2.0
"""Dockerfiles of our own, each for one corner of the Dockerfile reference.

A case is built by oci-build and by buildah and compared entry by entry. Where buildah cannot build it (it is
older than the feature) or is wrong by the reference, `expect` says what must be there, with the reason.

`@BASE@` is a small busybox image; `@BASE2@` the same with a config that has everything set; `@ONBUILD@` has
triggers. More cases are in corners_syntax.py and corners_copy.py.
"""

import re
from dataclasses import dataclass, field


@dataclass
class Case:
    name: str
    dockerfile: str
    files: dict = field(default_factory=dict)  # path -> text | bytes | (mode, text) | Link; "path/" -> mode of a folder
    params: dict = field(default_factory=dict)  # of oci-build
    args: list = field(default_factory=list)  # the same, for buildah
    expect: dict = field(default_factory=dict)  # path -> facts, content as bytes or None (absent); "config.X" -> value
    reason: str = ""  # why buildah is not the judge, or why a difference is right
    ignore: list = field(default_factory=list)  # paths or config names where buildah differs for `reason`
    run: bool = False  # has RUN
    error: str = ""  # the build must fail with this text
    at: str = ""  # and at this line:column of the Dockerfile (or "line:")
    root: bool = False  # needs several user ids


@dataclass
class Link:
    target: str


# Always in the context unless a case overrides or removes (None) it.
CONTEXT = {
    "a.txt": "a\n",
    "b.txt": (0o600, "bee\n"),
    "run.sh": (0o755, "#!/bin/sh\necho run\n"),
    "dir/one.txt": "one\n",
    "dir/two.md": "two\n",
    "dir/sub/three.txt": "three\n",
    "dir/sub/deep/four.go": "four\n",
    "other/five.txt": "five\n",
    "sp ace.txt": "space\n",
    "link.txt": Link("a.txt"),
    "dirlink": Link("dir"),
    "dir/inner": Link("one.txt"),
    "dir/dangling": Link("/no/such"),
}

CASES = []


def case(name, dockerfile, **more):
    assert all(c.name != name for c in CASES), name
    text = dockerfile.lstrip("\n")
    CASES.append(Case(name, text, run=more.pop("run", bool(re.search("^(ONBUILD )?RUN", text, re.M))), **more))


OLD = "newer than this buildah: judged by the Dockerfile reference"

# ---- COPY: what lands where ----
case("copy-file-to-dir-slash", "FROM @BASE@\nCOPY a.txt /x/")
case("copy-file-to-name", "FROM @BASE@\nCOPY a.txt /x")
case("copy-file-to-existing-dir", "FROM @BASE@\nCOPY a.txt /etc")
case("copy-file-relative-destination", "FROM @BASE@\nWORKDIR /w/deep\nCOPY a.txt rel/name")
case("copy-file-to-dot", "FROM @BASE@\nWORKDIR /w\nCOPY a.txt .")
case("copy-dir-contents", "FROM @BASE@\nCOPY dir /x")
case("copy-dir-contents-slash", "FROM @BASE@\nCOPY dir/ /x/")
case("copy-everything", "FROM @BASE@\nCOPY . /all/")
case("copy-to-root", "FROM scratch\nCOPY dir /")
case("copy-several", "FROM @BASE@\nCOPY a.txt b.txt run.sh /x/")
case("copy-several-dirs", "FROM @BASE@\nCOPY dir other /x/")
case("copy-file-and-dir", "FROM @BASE@\nCOPY a.txt dir /x/")
case("copy-json-form", 'FROM @BASE@\nCOPY ["a.txt", "b.txt", "/x/"]')
case("copy-json-spaces", 'FROM @BASE@\nCOPY ["sp ace.txt", "/sp ace/"]')
case("copy-glob-star", "FROM @BASE@\nCOPY *.txt /x/")
case("copy-glob-question", "FROM @BASE@\nCOPY ?.txt /x/")
case("copy-glob-class", "FROM @BASE@\nCOPY [ab].txt /x/")
case("copy-glob-dirs", "FROM @BASE@\nCOPY dir/*/*.txt /x/")
case("copy-glob-escape", "FROM @BASE@\nCOPY br[[]ack]et.txt /x/", files={"br[ack]et.txt": "bracket\n"},
     expect={"x/br[ack]et.txt": "file 0644 0:0 8"}, reason="buildah takes the found name for a pattern again and finds nothing")
case("copy-glob-matches-dir", "FROM @BASE@\nCOPY d*r /x/")
case("copy-source-slash-is-context", "FROM @BASE@\nCOPY /a.txt /x/")
case("copy-source-dotdot-clamped", "FROM @BASE@\nCOPY ../a.txt /x/", expect={"x/a.txt": "file 0644 0:0 2"},
     reason="buildah refuses; the reference clamps .. to the context root")
case("copy-source-dot-segments", "FROM @BASE@\nCOPY ./dir/../a.txt /x/")
case("copy-missing", "FROM @BASE@\nCOPY nothing.txt /x/", error="nothing.txt")
case("copy-glob-nothing", "FROM @BASE@\nCOPY *.nothing a.txt /x/", expect={"x/a.txt": "file 0644 0:0 2"},
     reason="BuildKit lets a wildcard match nothing; buildah refuses")
case("copy-symlink-followed-when-named", "FROM @BASE@\nCOPY link.txt /x/")
case("copy-symlink-dir-followed-when-named", "FROM @BASE@\nCOPY dirlink /x/")
case("copy-symlinks-kept-inside", "FROM @BASE@\nCOPY dir/ /x/")
case("copy-over-existing-file", "FROM @BASE@\nCOPY a.txt /etc/motd\nCOPY b.txt /etc/motd")
case("copy-into-existing-dir-keeps-mode", "FROM @BASE2@\nCOPY dir /sticky")
case("copy-through-image-symlink", "FROM @BASE2@\nCOPY a.txt /to-srv/x/")
case("copy-through-relative-image-symlink", "FROM @BASE2@\nCOPY a.txt /rel-srv/y")
case("copy-file-modes-kept", "FROM @BASE@\nCOPY b.txt run.sh /x/")
case("copy-setuid-mode", "FROM @BASE@\nCOPY suid /x/", files={"suid": (0o4755, "s\n")}, ignore=["x/suid"],
     reason="buildah loses the bit by its chown; a copy keeps its mode", expect={"x/suid": "file 4755 0:0 2"})
case("copy-empty-file", "FROM @BASE@\nCOPY empty /x/", files={"empty": ""})
case("copy-hidden", "FROM @BASE@\nCOPY . /x/", files={".hidden": "h\n", "dir/.h2": "h\n"})
case("copy-long-name", "FROM @BASE@\nCOPY . /x/", files={"n" * 200 + ".txt": "long\n", "/".join(["d" * 60] * 4) + "/f": "deep\n"})
case("copy-utf8-name", "FROM @BASE@\nCOPY . /x/", files={"grün-日本.txt": "u\n"})
case("copy-binary", "FROM @BASE@\nCOPY bin /x/", files={"bin": bytes(range(256)) * 40})
case("copy-same-file-twice", "FROM @BASE@\nCOPY a.txt /x/\nCOPY a.txt /x/")
case("copy-file-over-dir-content", "FROM @BASE@\nCOPY dir /x\nCOPY other /x")
case("copy-many-parents", "FROM @BASE@\nCOPY a.txt /p1/p2/p3/p4/")

# ---- COPY --chown, --chmod ----
case("chown-numeric", "FROM @BASE@\nCOPY --chown=10:20 a.txt /x/", root=True)
case("chown-uid-only", "FROM @BASE@\nCOPY --chown=10 a.txt /x/", root=True)
case("chown-name", "FROM @BASE@\nCOPY --chown=app a.txt dir /x/", root=True)
case("chown-name-group", "FROM @BASE@\nCOPY --chown=app:web a.txt /x/", root=True)
case("chown-name-number", "FROM @BASE@\nCOPY --chown=app:77 a.txt /x/", root=True)
case("chown-dir-tree", "FROM @BASE@\nCOPY --chown=10:20 dir /x", root=True)
case("chown-unknown-name", "FROM @BASE@\nCOPY --chown=nobody-here a.txt /x/", error="nobody-here")
case("chown-arg", "FROM @BASE@\nARG WHO=12:13\nCOPY --chown=$WHO a.txt /x/", root=True)
case("chown-parents", "FROM @BASE@\nCOPY --chown=10:20 a.txt /new/deep/x", root=True, ignore=["new", "new/deep"],
     reason="BuildKit gives new parents the owner of --chown")
case("chmod-octal", "FROM @BASE@\nCOPY --chmod=0750 a.txt /x/")
case("chmod-octal-dir", "FROM @BASE@\nCOPY --chmod=755 dir /x", ignore=["x", "x/sub", "x/sub/deep"],
     reason="directories: see the chmod tests of our own")
case("chmod-setuid", "FROM @BASE@\nCOPY --chmod=4755 a.txt /x/")
case("chmod-symbolic", "FROM @BASE@\nCOPY --chmod=u=rwX,go=rX run.sh b.txt /x/", reason=OLD,
     expect={"x/run.sh": "file 0755 0:0", "x/b.txt": "file 0644 0:0"})
case("chmod-and-chown", "FROM @BASE@\nCOPY --chmod=640 --chown=1:2 a.txt /x/", root=True)
case("chmod-invalid", "FROM @BASE@\nCOPY --chmod=999 a.txt /x/", error="chmod")

# ---- newer COPY flags ----
case("parents", "FROM @BASE@\nCOPY --parents dir/sub/three.txt dir/one.txt /x/", reason=OLD,
     expect={"x/dir/sub/three.txt": "file 0644 0:0", "x/dir/one.txt": "file 0644 0:0", "x/dir/two.md": None})
case("parents-pivot", "FROM @BASE@\nCOPY --parents dir/./sub/three.txt /x/", reason=OLD,
     expect={"x/sub/three.txt": "file 0644 0:0", "x/dir": None})
case("parents-glob", "FROM @BASE@\nCOPY --parents dir/*.txt /x/", reason=OLD, expect={"x/dir/one.txt": "file 0644 0:0", "x/one.txt": None})
case("exclude", "FROM @BASE@\nCOPY --exclude=*.md --exclude=sub dir /x/", reason=OLD,
     expect={"x/one.txt": "file 0644 0:0", "x/two.md": None, "x/sub": None})
case("exclude-deep", "FROM @BASE@\nCOPY --exclude=**/*.go dir /x/", reason=OLD,
     expect={"x/sub/three.txt": "file 0644 0:0", "x/sub/deep/four.go": None})
case("link", "FROM @BASE@\nCOPY --link a.txt /x/y/", reason=OLD, expect={"x/y/a.txt": "file 0644 0:0 2", "x/y": "dir 0755 0:0"})
case("link-false", "FROM @BASE@\nCOPY --link=false a.txt /x/", reason=OLD, expect={"x/a.txt": "file 0644 0:0 2"})
case("copy-unknown-flag", "FROM @BASE@\nCOPY --chwon=1 a.txt /x/", error="chwon")

# ---- COPY --from ----
case("from-stage-name", "FROM @BASE@ AS build\nCOPY dir /out\nFROM scratch\nCOPY --from=build /out /got")
case("from-stage-name-any-case", "FROM @BASE@ AS Build\nCOPY dir /out\nFROM scratch\nCOPY --from=build /out /got",
     expect={"got/one.txt": "file 0644 0:0 4"}, reason="stage names are case-insensitive in BuildKit; buildah compares letters")
case("from-stage-index", "FROM @BASE@\nCOPY a.txt /out/\nFROM scratch\nCOPY --from=0 /out/a.txt /got")
case("from-image", "FROM scratch\nCOPY --from=@BASE@ /etc/passwd /p")
case("from-stage-of-stage", "FROM @BASE@ AS one\nCOPY a.txt /f\nFROM one AS two\nCOPY b.txt /g\nFROM scratch\nCOPY --from=two /f /g /x/")
case("from-stage-symlink", "FROM @BASE2@ AS s\nFROM scratch\nCOPY --from=s /to-srv /x")
case("from-stage-dir-with-links", "FROM @BASE@ AS s\nCOPY dir /d\nFROM scratch\nCOPY --from=s /d /x")
case("from-stage-relative", "FROM @BASE@ AS s\nWORKDIR /w\nCOPY a.txt .\nFROM scratch\nCOPY --from=s w/a.txt /x/")
case("from-stage-glob", "FROM @BASE@ AS s\nCOPY . /d/\nFROM scratch\nCOPY --from=s /d/*.txt /x/")
case("from-stage-owner-kept", "FROM @BASE@ AS s\nCOPY --chown=5:6 a.txt /d/\nFROM scratch\nCOPY --from=s /d/a.txt /x/",
     root=True, reason="the reference: COPY makes files 0:0 unless --chown says otherwise; BuildKit does so for --from too", ignore=["x/a.txt"])
case("from-later-stage", "FROM @BASE@\nCOPY --from=late /a /b\nFROM @BASE@ AS late", error="late")
case("from-variable", "ARG S=one\nFROM @BASE@ AS one\nFROM scratch\nARG S\nCOPY --from=$S /etc/passwd /x", error="from")
case("from-unused-stage-is-not-built", "FROM @BASE@ AS broken\nCOPY does-not-exist /x\nFROM @BASE@\nCOPY a.txt /x")
case("target", "FROM @BASE@ AS one\nCOPY a.txt /x\nFROM @BASE@ AS two\nCOPY b.txt /y", params={"target": "one"}, args=["--target", "one"])
case("target-unknown", "FROM @BASE@ AS one", params={"target": "oen"}, args=["--target", "oen"], error="oen")
case("from-itself-earlier-name", "FROM scratch AS x\nCOPY a.txt /a\nFROM x\nCOPY b.txt /b")

# ---- ADD ----
case("add-file", "FROM @BASE@\nADD a.txt /x/")
case("add-dir", "FROM @BASE@\nADD dir /x")
case("add-chown", "FROM @BASE@\nADD --chown=3:4 a.txt /x/", root=True)
case("add-tar", "FROM @BASE@\nADD t.tar /x/", files={"t.tar": "@TAR:"})
case("add-tar-gz", "FROM @BASE@\nADD t.tgz /x/", files={"t.tgz": "@TAR:gz"})
case("add-tar-bz2", "FROM @BASE@\nADD t.tar.bz2 /x/", files={"t.tar.bz2": "@TAR:bz2"})
case("add-tar-xz", "FROM @BASE@\nADD t.tar.xz /x/", files={"t.tar.xz": "@TAR:xz"})
case("add-tar-by-content", "FROM @BASE@\nADD plain-name /x/", files={"plain-name": "@TAR:gz"})
case("add-not-a-tar", "FROM @BASE@\nADD fake.tar.gz /x/", files={"fake.tar.gz": "no archive\n"})
case("add-tar-over-existing", "FROM @BASE@\nCOPY a.txt /x/in/file\nADD t.tar /x/", files={"t.tar": "@TAR:"})
case("add-tar-no-unpack", "FROM @BASE@\nADD --unpack=false t.tar /x/", files={"t.tar": "@TAR:"}, reason=OLD,
     expect={"x/t.tar": "file 0644 0:0", "x/in": None})
case("copy-tar-stays", "FROM @BASE@\nCOPY t.tar /x/", files={"t.tar": "@TAR:"})
case("add-several", "FROM @BASE@\nADD a.txt t.tar /x/", files={"t.tar": "@TAR:"})

# ---- metadata ----
case("env-pairs", "FROM scratch\nENV a=1 b=\"two words\" c=three\\ words d='q'\nCOPY a.txt /")
case("env-legacy", "FROM scratch\nENV name the whole  rest\nCOPY a.txt /")
case("env-old-values", "FROM scratch\nENV a=1\nENV a=2 b=$a\nENV c=${a}\nCOPY a.txt /")
case("env-override-base", "FROM @BASE2@\nENV PATH=/only KEEP=changed\nCOPY a.txt /")
case("env-forms", "FROM scratch\nENV e= s=set\nENV a=${u:-w} b=${u-w} c=${e:-w} d=${e-w} f=${s:+p} g=${s+p} h=${e:+p} i=${e+p} j=${u:+p} k=${u+p}\nCOPY a.txt /", reason=OLD,
     expect={"config.Env": ["e=", "s=set", "a=w", "b=w", "c=w", "d=", "f=p", "g=p", "h=", "i=p", "j=", "k="]})
case("env-colon-forms", "FROM scratch\nENV e= s=set\nENV a=${u:-w} c=${e:-w} f=${s:+p} h=${e:+p} j=${u:+p}\nCOPY a.txt /")
case("env-escapes", "FROM scratch\nENV a=\\$x b='$x' c=\"\\$x\" d=\\\\x\nCOPY a.txt /")
case("env-trim", "FROM scratch\nENV v=foobarfoo p=a/b/c.tar.gz\nENV a=${v#foo} b=${v%foo} c=${p##*/} d=${p%%.*} e=${p#*/} f=${p%.*}\nCOPY a.txt /", reason=OLD,
     expect={"config.Env": ["v=foobarfoo", "p=a/b/c.tar.gz", "a=barfoo", "b=foobar", "c=c.tar.gz", "d=a/b/c", "e=b/c.tar.gz", "f=a/b/c.tar"]})
case("env-replace", "FROM scratch\nENV v=foobarfoo\nENV a=${v/foo/x} b=${v//foo/x}\nCOPY a.txt /", reason=OLD,
     expect={"config.Env": ["v=foobarfoo", "a=xbarfoo", "b=xbarx"]})
case("env-equals-in-value", "FROM scratch\nENV a=b=c d=\"e=f g\"\nCOPY a.txt /")
case("label-forms", "FROM scratch\nLABEL a=1 \"b c\"=\"d e\" multi=\"x\\\ny\"\nLABEL old style value\nCOPY a.txt /", ignore=["config.Labels"],
     reason="quoting of continued label values differs; checked below", expect={"config.Labels": {"a": "1", "b c": "d e", "multi": "xy", "old": "style value"}})
case("label-var", "FROM scratch\nENV v=9\nLABEL ver=$v-${v}\nCOPY a.txt /")
case("label-inherit", "FROM @BASE2@\nLABEL mine=1\nCOPY a.txt /")
case("expose", "FROM scratch\nEXPOSE 80 443/tcp 53/UDP\nEXPOSE 8000-8002\nCOPY a.txt /", ignore=["config.ExposedPorts"],
     reason="BuildKit spells protocols in lower case and ranges out; buildah keeps the words",
     expect={"config.ExposedPorts": {p: {} for p in ("443/tcp", "53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp")}})
case("expose-var", "FROM scratch\nARG P=99\nEXPOSE $P\nCOPY a.txt /")
case("user", "FROM @BASE@\nUSER app\nCOPY a.txt /x/")
case("user-group", "FROM @BASE@\nUSER 1:2\nCOPY a.txt /x/")
case("user-does-not-own-copies", "FROM @BASE@\nUSER app\nCOPY a.txt /x")
case("workdir-absolute", "FROM @BASE@\nWORKDIR /w")
case("workdir-relative", "FROM @BASE@\nWORKDIR /w\nWORKDIR x\nWORKDIR y/z")
case("workdir-var", "FROM @BASE@\nENV d=/from-env\nWORKDIR $d/sub")
case("workdir-existing", "FROM @BASE@\nWORKDIR /etc")
case("workdir-dots", "FROM @BASE@\nWORKDIR /a/../b/./c/", ignore=["config.WorkingDir"],
     reason="BuildKit cleans the path; buildah records the words", expect={"config.WorkingDir": "/b/c"})
case("workdir-base", "FROM @BASE2@\nWORKDIR more")
case("workdir-user", "FROM @BASE@\nUSER app\nWORKDIR /home2/app", root=True, ignore=["home2", "home2/app"],
     reason="BuildKit gives every missing level to USER", expect={"home2": "dir 0755 1000:1000", "home2/app": "dir 0755 1000:1000"})
case("workdir-scratch", "FROM scratch\nWORKDIR /only")
case("volume", "FROM @BASE@\nVOLUME /data\nVOLUME [\"/v 1\", \"/v2\"]\nCOPY a.txt /data/", ignore=["data", "v 1", "v2"],
     reason="BuildKit makes no directories for VOLUME")
case("cmd-exec", 'FROM @BASE@\nCMD ["echo", "hi"]')
case("cmd-shell", "FROM @BASE@\nCMD echo hi $HOME")
case("cmd-bad-json", "FROM @BASE@\nCMD ['echo', 'hi']")
case("cmd-last-wins", 'FROM @BASE@\nCMD one\nCMD ["two"]')
case("entrypoint-exec", 'FROM @BASE@\nENTRYPOINT ["/run.sh", "a"]')
case("entrypoint-shell", "FROM @BASE@\nENTRYPOINT exec top -b")
case("entrypoint-clears-base-cmd", 'FROM @BASE2@\nENTRYPOINT ["/x"]')
case("entrypoint-keeps-own-cmd", 'FROM @BASE2@\nCMD ["mine"]\nENTRYPOINT ["/x"]')
case("cmd-keeps-base-entrypoint", 'FROM @BASE2@\nCMD ["mine"]')
case("shell", 'FROM @BASE@\nSHELL ["/bin/sh", "-e", "-c"]\nCMD echo x', ignore=["config.Cmd", "config.Shell"],
     reason="the reference: SHELL holds for the shell form of CMD; this buildah forgets it",
     expect={"config.Cmd": ["/bin/sh", "-e", "-c", "echo x"]})
case("stopsignal", "FROM @BASE@\nSTOPSIGNAL SIGUSR1")
case("stopsignal-number", "FROM @BASE@\nARG S=9\nSTOPSIGNAL $S")
case("healthcheck", "FROM @BASE@\nHEALTHCHECK --interval=5s --timeout=1m --retries=4 --start-period=2s CMD echo ok")
case("healthcheck-exec", 'FROM @BASE@\nHEALTHCHECK CMD ["true"]')
case("healthcheck-none", "FROM @BASE2@\nHEALTHCHECK NONE")
case("maintainer", "FROM @BASE@\nMAINTAINER me <me@example.com>")
case("onbuild-recorded", "FROM @BASE@\nONBUILD COPY a.txt /x\nONBUILD ENV z=1")
case("onbuild-of-stage", "FROM @BASE@ AS p\nONBUILD COPY a.txt /on\nFROM p\nCOPY b.txt /b")
case("onbuild-onbuild", "FROM @BASE@\nONBUILD ONBUILD ENV a=1", error="ONBUILD")
case("config-inherited", "FROM @BASE2@\nCOPY a.txt /x")

# ---- ARG ----
case("arg-default", "FROM scratch\nARG v=one\nENV r=$v\nCOPY a.txt /")
case("arg-given", "FROM scratch\nARG v=one\nENV r=$v\nCOPY a.txt /", params={"build_args": {"v": "two"}}, args=["--build-arg", "v=two"])
case("arg-before-from", "ARG base=@BASE@\nFROM $base\nCOPY a.txt /x")
case("arg-global-not-in-stage", "ARG v=global\nFROM scratch\nENV r=[$v]\nCOPY a.txt /")
case("arg-global-redeclared", "ARG v=global\nFROM scratch\nARG v\nENV r=[$v]\nCOPY a.txt /")
case("arg-stage-scope", "FROM scratch AS one\nARG v=1\nENV x=$v\nFROM scratch\nENV r=[$v]\nCOPY a.txt /")
case("arg-inherited-by-from-stage", "FROM scratch AS one\nARG v=1\nCOPY a.txt /\nFROM one\nENV r=[$v]\nCOPY b.txt /", ignore=["config.Env"],
     reason="the reference: an ARG is inherited by stages FROM that stage", expect={"config.Env": ["r=[1]"]})
case("arg-env-beats-arg", "FROM scratch\nENV v=env\nARG v=arg\nENV r=$v\nCOPY a.txt /")
case("arg-scope-starts-at-line", "FROM scratch\nENV before=[$v]\nARG v=1\nENV after=[$v]\nCOPY a.txt /")
case("arg-several-one-line", "FROM scratch\nARG a=1 b=2\nENV r=$a$b\nCOPY a.txt /")
case("arg-from-arg", "ARG a=x\nARG b=${a}y\nFROM scratch\nARG b\nENV r=$b\nCOPY a.txt /")
case("arg-targetplatform", "FROM scratch\nARG TARGETOS\nARG TARGETARCH\nENV r=$TARGETOS/$TARGETARCH\nCOPY a.txt /")
case("arg-in-from-platform", "FROM --platform=linux/amd64 @BASE@\nCOPY a.txt /x")
case("arg-in-copy-source", "FROM @BASE@\nARG f=a\nCOPY $f.txt /x/${f}.out")
case("arg-quoted-default", "FROM scratch\nARG v=\"two words\"\nENV r=\"$v\"\nCOPY a.txt /")

# ---- syntax ----
case("directive-escape", "# escape=`\nFROM scratch\nENV a=one`\ntwo\nCOPY a.txt `\n /\n")
case("directive-syntax", "# syntax=docker/dockerfile:1\nFROM @BASE@\nCOPY a.txt /x")
case("comments", "# a comment\nFROM @BASE@\n# another\n  # indented\nCOPY a.txt \\\n# inside\n  /x\n")
case("lower-case", "from @BASE@ as s\ncopy a.txt /x\nenv a=1")
case("leading-blanks", "   FROM @BASE@\n\tCOPY a.txt /x")
case("empty-continuation", "FROM @BASE@\nCOPY a.txt \\\n\n  /x\n")
case("crlf", "FROM @BASE@\r\nCOPY a.txt /x\r\nENV a=1\r\n")
case("unknown-instruction", "FROM @BASE@\nCOYP a.txt /x", error="COYP")
case("no-from", "COPY a.txt /x", error="FROM")
case("empty-dockerfile", "\n# nothing\n", error="Dockerfile")
case("dockerfile-elsewhere", "FROM scratch\nCOPY nothing /", files={"sub/Other": "FROM scratch\nCOPY a.txt /other\n"},
     params={"dockerfile": "sub/Other"}, args=["-f", "sub/Other"])

# ---- .dockerignore ----
def ignore(name, text, **more):
    case("ignore-" + name, "FROM scratch\nCOPY . /", files={".dockerignore": text}, **more)


ignore("plain", "a.txt\n")
ignore("star", "*.txt\n")
ignore("dir", "dir\n")
ignore("dir-slash", "dir/\n")
ignore("leading-slash", "/dir/sub\n")
ignore("double-star", "**/*.txt\n")
ignore("double-star-middle", "dir/**/four.go\n")
ignore("exception", "*.txt\n!a.txt\n")
ignore("exception-below", "dir\n!dir/sub/three.txt\n")
ignore("last-wins", "!a.txt\n*.txt\n")
ignore("comment-blank", "# comment\n\n  a.txt  \n")
ignore("question", "?.txt\n")
ignore("all-but", "*\n!dir/one.txt\n!run.sh\n")
ignore("dot-segments", "./dir/../a.txt\n")
case("ignore-own-file", "FROM scratch\nCOPY . /", files={"Dockerfile.dockerignore": "b.txt\n", ".dockerignore": "a.txt\n"},
     params={"dockerfile": "Dockerfile"}, reason=OLD, expect={"a.txt": "file 0644 0:0", "b.txt": None})
case("ignore-copied-source", "FROM scratch\nCOPY a.txt /", files={".dockerignore": "a.txt\n"}, error="a.txt")
case("ignore-dockerfile-itself", "FROM scratch\nCOPY . /", files={".dockerignore": "Dockerfile\n.dockerignore\n"})

# ---- heredocs ----
case("heredoc-copy", "FROM scratch\nCOPY <<EOF /f\nline $x one\nEOF\n", reason=OLD, expect={"f": b"line  one\n"})
case("heredoc-copy-var", "FROM scratch\nARG x=1\nCOPY <<EOF /f\n$x\nEOF\n", reason=OLD, expect={"f": b"1\n"})
case("heredoc-copy-quoted", "FROM scratch\nARG x=1\nCOPY <<'EOF' /f\n$x\nEOF\n", reason=OLD, expect={"f": b"$x\n"})
case("heredoc-copy-dash", "FROM scratch\nCOPY <<-EOF /f\n\t\tx\n\tEOF\n", reason=OLD, expect={"f": b"x\n"})
case("heredoc-copy-two", "FROM scratch\nCOPY <<one <<two /d/\n1\none\n22\ntwo\n", reason=OLD, expect={"d/one": b"1\n", "d/two": b"22\n"})
case("heredoc-copy-mixed", "FROM scratch\nCOPY a.txt <<x /d/\nX\nx\n", reason=OLD, expect={"d/a.txt": b"a\n", "d/x": b"X\n"})
case("heredoc-copy-blanks-before-name", "FROM scratch\nARG x=1\nCOPY << one <<- 'two' a.txt /d/\n$x\none\n\t$x\n\ttwo\n", reason=OLD,
     expect={"d/one": b"1\n", "d/two": b"$x\n", "d/a.txt": b"a\n"})
case("heredoc-unfinished", "FROM scratch\nCOPY <<EOF /f\nx\n", error="EOF")

# ---- RUN ----
case("run-shell", "FROM @BASE@\nRUN echo hello > /out")
case("run-exec", 'FROM @BASE@\nRUN ["/bin/sh", "-c", "echo exec > /out"]')
case("run-continuation", "FROM @BASE@\nRUN echo a > /out && \\\n    # a comment\n    echo b >> /out")
case("run-env", "FROM @BASE@\nENV a=1\nARG b=2\nRUN echo $a$b > /out")
case("run-env-not-expanded-by-builder", "FROM @BASE@\nENV a=1\nRUN a=2; echo $a > /out")
case("run-workdir", "FROM @BASE@\nWORKDIR /w\nRUN pwd > out")
case("run-user", "FROM @BASE@\nRUN mkdir /u && chmod 777 /u\nUSER app\nRUN id -u > /u/out; id -g >> /u/out; echo $HOME >> /u/out", root=True)
case("run-user-groups", "FROM @BASE@\nRUN mkdir /u && chmod 777 /u\nUSER app\nRUN id -G > /u/out", root=True)
case("run-delete-base-file", "FROM @BASE@\nRUN rm /etc/motd")
case("run-delete-base-dir", "FROM @BASE@\nRUN rm -r /usr/share")
case("run-replace-dir-by-file", "FROM @BASE@\nRUN rm -r /usr/share && echo x > /usr/share")
case("run-replace-file-by-dir", "FROM @BASE@\nRUN rm /etc/motd && mkdir /etc/motd && echo x > /etc/motd/y")
case("run-recreate-dir-is-opaque", "FROM @BASE@\nRUN rm -r /usr/share && mkdir /usr/share && echo new > /usr/share/new")
case("run-delete-own-file", "FROM @BASE@\nRUN echo x > /t && rm /t")
case("run-delete-earlier-layer", "FROM @BASE@\nCOPY dir /d\nRUN rm -r /d/sub && rm /d/one.txt")
case("run-chmod", "FROM @BASE@\nRUN chmod 4711 /etc/motd")
case("run-chown", "FROM @BASE@\nRUN chown 12:34 /etc/motd", root=True)
case("run-hardlink", "FROM @BASE@\nRUN echo x > /one && ln /one /two && ln /one /three")
case("run-hardlink-to-base", "FROM @BASE@\nRUN ln /etc/motd /etc/motd2", ignore=["etc/motd", "etc/motd2"],
     reason="a hard link to a file of a lower layer copies it up; whether both names share an inode is up to the differ")
case("run-symlink", "FROM @BASE@\nRUN ln -s /etc/motd /l && ln -s nowhere /dangling")
case("run-fifo", "FROM @BASE@\nRUN mkfifo /pipe")
case("run-rename", "FROM @BASE@\nRUN mv /usr/share /usr/moved")
case("run-empty-dir", "FROM @BASE@\nRUN mkdir -p /e/m/p")
case("run-touch-nothing", "FROM @BASE@\nRUN true")
case("run-modes", "FROM @BASE@\nRUN mkdir -m 1777 /t && mkdir -m 2755 /g && touch /f && chmod 600 /f && umask > /um")
case("run-tmp-kept", "FROM @BASE@\nRUN echo x > /tmp/kept")
case("run-nothing-leaks", "FROM @BASE@\nRUN cat /etc/resolv.conf /etc/hosts >/dev/null 2>&1; ls /proc /sys /dev >/dev/null; true")
case("run-dev-null", "FROM @BASE@\nRUN echo x > /dev/null; cat /dev/zero | head -c 3 | wc -c > /n; ls /dev/fd/0 > /dev/null && echo ok > /ok")
case("run-shell-instruction", 'FROM @BASE@\nSHELL ["/bin/sh", "-e", "-u", "-c"]\nRUN echo $- > /out', ignore=["out"], reason="flags shown by $- vary")
case("run-fails", "FROM @BASE@\nRUN exit 3", error="3")
case("run-missing-program", 'FROM @BASE@\nRUN ["/no/such"]', error="/no/such")
case("run-heredoc", "FROM @BASE@\nRUN <<EOF\necho one > /out\necho two >> /out\nEOF\n", reason=OLD, expect={"out": b"one\ntwo\n"})
case("run-heredoc-blanks-before-name", "FROM @BASE@\nRUN << EOF\necho one > /out\nEOF\nRUN cat <<- 'E' >> /out && echo $((1 << 3)) >> /out\n\t$x\n\tE\n", reason=OLD,
     expect={"out": b"one\n$x\n8\n"})
case("run-heredoc-stdin", "FROM @BASE@\nRUN <<EOF cat > /out\nbody\nEOF\n", reason=OLD, expect={"out": b"body\n"})
case("run-heredoc-shebang", "FROM @BASE@\nRUN <<EOF\n#!/bin/sh\necho shebang > /out\nEOF\n", reason=OLD, expect={"out": b"shebang\n"})
case("run-heredoc-not-expanded", "FROM @BASE@\nARG x=1\nRUN <<'EOF'\nx=5; echo $x > /out\nEOF\n", reason=OLD, expect={"out": b"5\n"})
case("run-mount-bind", "FROM @BASE@\nRUN --mount=type=bind,source=dir,target=/m cat /m/one.txt > /out")
case("run-mount-bind-readonly", "FROM @BASE@\nRUN --mount=type=bind,target=/m (echo x > /m/new) 2>/dev/null && echo wrote > /out || echo refused > /out")
case("run-mount-bind-rw-dropped", "FROM @BASE@\nRUN --mount=type=bind,target=/m,rw echo x > /m/new && cat /m/new > /out")
case("run-mount-bind-from-stage", "FROM @BASE@ AS s\nCOPY a.txt /f\nFROM @BASE@\nRUN --mount=type=bind,from=s,source=/f,target=/m cat /m > /out")
case("run-mount-cache", "FROM @BASE@\nRUN --mount=type=cache,target=/c,id=diff1 echo x > /c/f && cat /c/f > /out")
case("run-mount-tmpfs", "FROM @BASE@\nRUN --mount=type=tmpfs,target=/t echo x > /t/f && cat /t/f > /out")
case("run-mount-secret", "FROM @BASE@\nRUN --mount=type=secret,id=tok cat /run/secrets/tok | wc -c > /out",
     params={"secrets": {"tok": "@CONTEXT@/a.txt"}}, args=["--secret", "id=tok,src=@CONTEXT@/a.txt"])
case("run-mount-secret-target", "FROM @BASE@\nRUN --mount=type=secret,id=tok,target=/t cat /t | wc -c > /out",
     params={"secrets": {"tok": "@CONTEXT@/a.txt"}}, args=["--secret", "id=tok,src=@CONTEXT@/a.txt"])
case("run-mount-secret-absent", "FROM @BASE@\nRUN --mount=type=secret,id=none test ! -e /run/secrets/none && echo ok > /out")
case("run-mount-secret-required", "FROM @BASE@\nRUN --mount=type=secret,id=none,required=true true", error="none")
case("run-mount-unknown-type", "FROM @BASE@\nRUN --mount=type=magic,target=/m true", error="magic")
case("run-network-none", "FROM @BASE@\nRUN --network=none ip addr show 2>/dev/null | grep -c inet > /out || true", reason=OLD, expect={"out": "file 0644 0:0"})
case("run-proxy-arg", "FROM @BASE@\nRUN echo x$http_proxy > /out", params={"build_args": {"http_proxy": "http://p:1"}}, args=["--build-arg", "http_proxy=http://p:1"])
case("run-after-volume-kept", "FROM @BASE@\nVOLUME /data\nRUN mkdir -p /data && echo x > /data/f", ignore=["data", "data/f"],
     reason="BuildKit keeps what is written under a declared volume", expect={"data/f": "file 0644 0:0 2"})
case("run-background-ends", "FROM @BASE@\nRUN (sleep 300 &) ; echo done > /out")
case("run-in-stage-copy-out", "FROM @BASE@ AS b\nRUN mkdir /o && echo built > /o/f\nFROM scratch\nCOPY --from=b /o /")
case("run-several", "FROM @BASE@\nRUN echo 1 > /f\nRUN echo 2 >> /f\nRUN rm /f && echo 3 > /g")
case("run-xattr-free", "FROM @BASE@\nCOPY a.txt /x\nRUN cat /x > /y")
case("run-onbuild", "FROM @BASE@ AS p\nONBUILD RUN echo on > /on\nFROM p\nRUN cat /on > /two")

# One layer twice in an image: an overlay takes no folder twice.
case("run-on-equal-layers", r"""
FROM @BASE@
COPY a.txt /a
RUN echo more >> /a && mkdir /d && echo d > /d/kept
COPY a.txt /a
RUN ! grep more /a && cp /a /seen && cat /d/kept
RUN rm /etc/motd
RUN echo back > /etc/motd
RUN rm /etc/motd
RUN test ! -e /etc/motd && ls /etc/passwd /d > /left
""")
case("run-on-equal-layers-next-to-each-other", "FROM @BASE@\nCOPY dir /x\nADD dir /x\nCOPY dir /x\nRUN ls /x > /list && rm -r /x/sub\n")
