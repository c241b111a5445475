# SPDX-License-Identifier: Apache-2.0
"""More cases: COPY and ADD in all their corners, WORKDIR, stages, named contexts, .dockerignore, heredocs."""

from cases import OLD, Link, case

# A folder with modes that a copy must keep or must not touch.
MODES = {"m/": 0o750, "m/f": (0o640, "f\n"), "m/sub/": 0o711, "m/sub/x": (0o755, "x\n"), "m/open/": 0o1777, "m/open/o": (0o666, "o\n")}

# ---- what lands where ----
case("copy-dir-mode-of-new-destination", "FROM @BASE@\nCOPY m /x\nCOPY m /y/\nCOPY m/sub /z/deep", files=MODES)
case("copy-dir-modes-inside", "FROM @BASE@\nCOPY m /x/", files=MODES)
case("copy-dir-onto-existing-dirs", "FROM @BASE@\nCOPY m /x/\nCOPY n /x/", files={**MODES, "n/sub/": 0o700, "n/sub/y": "y\n", "n/open/": 0o755, "n/open/p": "p\n"})
case("copy-context-dot-slash", "FROM @BASE@\nCOPY ./ /x/\nCOPY dir/. /y\nCOPY ./dir/ /z")
case("copy-context-slash", "FROM scratch\nCOPY / /x/")
case("copy-dir-dotdot", "FROM @BASE@\nCOPY dir/../other /x/")
case("copy-destination-dotdot", "FROM @BASE@\nWORKDIR /w/deep\nCOPY a.txt ..\nCOPY b.txt ../up/b\nCOPY run.sh ../../../../root-of-all")
case("copy-destination-dot-segments", "FROM @BASE@\nCOPY a.txt /x/./y/../z\nCOPY b.txt /q/.\nCOPY dir /p/./", ignore=["q", "q/b.txt"],
     reason="BuildKit: a destination that ends in /. is a folder", expect={"q/b.txt": "file 0600 0:0"})
case("copy-destination-ends-in-dotdot", "FROM @BASE@\nCOPY a.txt /n/m/..")
case("copy-destination-relative-no-workdir", "FROM @BASE@\nCOPY a.txt x/y\nCOPY b.txt ./z")
case("copy-destination-workdir-of-base", "FROM @BASE2@\nCOPY a.txt here/")
case("copy-same-name-from-two-dirs", "FROM @BASE@\nCOPY one/f two/f /x/", files={"one/f": "1\n", "two/f": "two\n"})
case("copy-file-replaces-link", "FROM @BASE@\nCOPY dir /d/\nCOPY a.txt /d/inner", expect={"d/one.txt": "file 0644 0:0 2", "d/inner": "symlink"},
     reason="a link at the destination is followed", ignore=["d/one.txt", "d/inner"])
case("copy-tree-replaces-link", "FROM @BASE@\nCOPY dir /d/\nCOPY t /d/", files={"t/inner": "now a file\n"})
case("copy-tree-link-over-file", "FROM @BASE@\nCOPY a.txt /d/x\nCOPY t /d/", files={"t/x": Link("elsewhere")})
case("copy-tree-file-over-dir", "FROM @BASE@\nCOPY dir /d\nCOPY t /d", files={"t/sub": "file\n"}, error="folder", at="3:6")
case("copy-tree-dir-over-file", "FROM @BASE@\nCOPY a.txt /d/sub\nCOPY dir /d", error="file", at="3:6")
case("copy-dir-onto-file", "FROM @BASE@\nCOPY dir /etc/motd", error="file", at="2:")
case("copy-file-below-file", "FROM @BASE@\nCOPY a.txt /etc/motd/x", error="motd", at="2:")
case("copy-file-to-file-slash", "FROM @BASE@\nCOPY a.txt /etc/motd/", error="motd", at="2:")
case("copy-dir-through-image-link", "FROM @BASE2@\nCOPY dir /to-srv")
case("copy-tree-through-image-link-inside", "FROM @BASE2@\nCOPY t /", files={"t/to-srv/f": "f\n"}, reason=OLD,
     expect={"srv/f": "file 0644 0:0 2", "to-srv": "symlink"})
case("copy-empty-dir", "FROM @BASE@\nCOPY e /x\nCOPY with /y", files={"e/": 0o755, "with/e/": 0o700})
case("copy-fifo-free-tree", "FROM @BASE@\nCOPY t /x/", files={"t/big": b"\0" * 3_000_000, "t/one": b"1"})
case("copy-names-with-blanks-and-quotes", 'FROM @BASE@\nCOPY ["t/a b", "/x/"]', files={"t/a b": "1\n"})
case("copy-quote-in-json-is-a-quote", 'FROM @BASE@\nCOPY ["t/it\'s", "/x/"]', files={"t/it's": "2\n"}, error="quote", at="2:11")
case("copy-name-with-newline", "FROM @BASE@\nCOPY t /x/", files={"t/a\nb": "1\n", "t/tab\tx": "2\n", "t/back\\slash": "3\n"})
case("copy-not-utf8-name", "FROM @BASE@\nCOPY t /x/", files={"t/a\udcffb": "1\n", "t/\udc80/": 0o755, "t/\udc80/f": "2\n"})
case("copy-hard-links", "FROM @BASE@\nCOPY t /x/", files={"t/a": "one\n", "t/b": "@HARD:a"}, ignore=["x/a", "x/b"],
     reason="which files of a folder share an inode differs from checkout to checkout, so it does not enter the layer",
     expect={"x/a": "file 0644 0:0 4", "x/b": "file 0644 0:0 4"})
case("copy-name-with-dollar", "FROM @BASE@\nCOPY \\$x /x/\nCOPY '$x' /y/", files={"$x": "1\n"})
case("copy-dash-name", "FROM @BASE@\nCOPY ./-x /x/", files={"-x": "1\n"})
case("copy-setgid-and-sticky-dirs", "FROM @BASE@\nCOPY t /x/", files={"t/g/": 0o2775, "t/g/f": "1\n", "t/s/": 0o1777, "t/s/f": "1\n"},
     ignore=["x/g"], reason="a copy keeps its mode; buildah loses bits by its chown", expect={"x/g": "dir 2775 0:0", "x/s": "dir 1777 0:0"})

# ---- wildcards ----
case("glob-all", "FROM @BASE@\nCOPY * /x/")
case("glob-in-middle", "FROM @BASE@\nCOPY d*/one.txt */five.txt /x/", ignore=["x/one.txt"],
     reason="BuildKit does not look through the link dirlink here; the same file either way", expect={"x/one.txt": "file 0644 0:0 4", "x/five.txt": "file 0644 0:0 5"})
case("glob-double-star-is-one", "FROM @BASE@\nCOPY dir/**/three.txt /x/")
case("glob-negated-class", "FROM @BASE@\nCOPY [^a].txt /x/")
case("glob-range", "FROM @BASE@\nCOPY [a-b].txt /x/")
case("glob-escaped-star", "FROM @BASE@\nCOPY s[*]r /x/", files={"s*r": "star\n", "sir": "no\n"}, reason="buildah takes the found name for a pattern again",
     expect={"x/s*r": "file 0644 0:0 5", "x/sir": None})
case("glob-hidden", "FROM @BASE@\nCOPY t/* /x/", files={"t/.h": "h\n", "t/v": "v\n"})
case("glob-follows-found-links", "FROM @BASE@\nCOPY l*.txt /x/")
case("glob-to-one-file", "FROM @BASE@\nCOPY a.* /x")
case("glob-from-variable", "FROM @BASE@\nARG e=*.txt\nCOPY dir/$e /x/")
case("glob-utf8", "FROM @BASE@\nCOPY t/gr?n /x/", files={"t/grün": "1\n", "t/green": "2\n"})
case("glob-dirs-merge", "FROM @BASE@\nCOPY p?/ /x/", files={"p1/f": "1\n", "p1/s/a": "a\n", "p2/g": "2\n", "p2/s/b": "b\n"})
case("glob-only-ignored", "FROM @BASE@\nCOPY *.txt run.sh /x/", files={".dockerignore": "*.txt\n"}, reason="BuildKit lets a wildcard match nothing",
     expect={"x/run.sh": "file 0755 0:0", "x/a.txt": None})

# ---- links as sources ----
case("link-chain", "FROM @BASE@\nCOPY l1 /x/", files={"l1": Link("l2"), "l2": Link("dir/l3"), "dir/l3": Link("../a.txt")})
case("link-dir-in-middle", "FROM @BASE@\nCOPY dirlink/one.txt dirlink/sub/../two.md /x/")
case("link-dir-slash", "FROM @BASE@\nCOPY dirlink/ /x/")
case("link-absolute-is-in-context", "FROM @BASE@\nCOPY abs /x/", files={"abs": Link("/a.txt")})
case("link-out-of-context", "FROM @BASE@\nCOPY out /x/", files={"out": Link("../../../../etc/hostname")}, error="out", at="2:6")
case("link-dangling", "FROM @BASE@\nCOPY bad /x/", files={"bad": Link("nowhere")}, error="bad", at="2:6")
case("link-loop", "FROM @BASE@\nCOPY l1 /x/", files={"l1": Link("l2"), "l2": Link("l1")}, error="l1", at="2:6")
case("link-to-ignored", "FROM @BASE@\nCOPY link.txt /x/", files={".dockerignore": "a.txt\n"}, error="link.txt", at="2:6")
case("link-long-target", "FROM @BASE@\nCOPY t /x/", files={"t/l": Link("d/" * 80 + "f")})

# ---- links at the destination ----
case("destination-dangling-link", "FROM @BASE@\nCOPY dir /d/\nCOPY a.txt /d/dangling", ignore=["d/dangling", "no", "no/such", "no/such/a.txt"],
     reason="a link at the destination is followed, also to what does not exist yet", expect={"no/such": "file 0644 0:0 2", "d/dangling": "symlink"})
case("destination-link-loop", "FROM @BASE@\nCOPY t /t/\nCOPY a.txt /t/l1", files={"t/l1": Link("l2"), "t/l2": Link("l1")}, error="links", at="3:")
case("destination-link-out-of-root", "FROM @BASE@\nCOPY t /t/\nCOPY a.txt /t/up/x", files={"t/up": Link("../../../../srv")})
case("destination-link-slash", "FROM @BASE2@\nCOPY a.txt /to-srv/")

# ---- --chown, --chmod ----
for kind, flag in (("name-uid", "app:33"), ("uid-name", "1000:web"), ("root", "root:root"), ("zero", "0"), ("group-only-number", "77:88"), ("large", "65534:65534")):
    case(f"chown-{kind}", f"FROM @BASE@\nCOPY --chown={flag} a.txt dir /x/", root=True)
case("chown-link", "FROM @BASE@\nCOPY --chown=5:6 dir /x/", root=True)
case("chown-over-existing-dir", "FROM @BASE@\nCOPY dir /x\nCOPY --chown=5:6 dir /x", root=True, ignore=["x/sub", "x/sub/deep"],
     reason="BuildKit: folders inside an existing destination take owner and mode of the copy",
     expect={"x": "dir 0755 0:0", "x/sub": "dir 0755 5:6", "x/one.txt": "file 0644 5:6"})
case("chown-names-of-earlier-step", "FROM @BASE@\nCOPY passwd /etc/passwd\nCOPY --chown=new a.txt /x", files={"passwd": "new:x:91:92::/:/bin/sh\n"}, root=True)
case("chown-no-passwd", "FROM scratch\nCOPY --chown=app a.txt /x", error="passwd", at="2:14")
case("chown-numbers-no-passwd", "FROM scratch\nCOPY --chown=9:8 a.txt /x", root=True)
case("add-chown-tar", "FROM @BASE@\nADD --chown=3:4 t.tar /x/", files={"t.tar": "@TAR:"}, root=True, reason="BuildKit gives what it unpacks to --chown; this buildah does not",
     expect={"x": "dir 0755 3:4", "x/in": "dir 0750 3:4", "x/in/file": "file 0640 3:4"})
case("add-chmod-tar", "FROM @BASE@\nADD --chmod=600 t.tar /x/", files={"t.tar": "@TAR:"})
case("add-tar-folder-over-link", "FROM @BASE2@\nADD l.tar /", files={"l.tar": "@TAR:folder-to-srv"})
case("add-tar-folder-over-file", "FROM @BASE2@\nCOPY a.txt /to-file\nADD l.tar /", files={"l.tar": "@TAR:folder-to-file"})
case("add-tar-file-over-folder", "FROM @BASE2@\nCOPY dir /sub/x\nADD l.tar /", files={"l.tar": "@TAR:file-sub"})
case("add-tar-file-over-folder-of-itself", "FROM @BASE2@\nADD *.tar /", files={"l1.tar": "@TAR:folder-sub", "l2.tar": "@TAR:file-sub"})
case("add-tar-link-over-folder", "FROM @BASE2@\nCOPY dir /sub/x\nADD l.tar /", files={"l.tar": "@TAR:link-sub"})
case("chmod-octal-everywhere", "FROM @BASE@\nCOPY --chmod=0701 m /x/", files=MODES, reason=OLD,
     expect={"x": "dir 0755 0:0", "x/f": "file 0701 0:0", "x/sub": "dir 0701 0:0", "x/sub/x": "file 0701 0:0", "x/open": "dir 0701 0:0"})
case("chmod-octal-short", "FROM @BASE@\nCOPY --chmod=4 a.txt /x/", reason=OLD, expect={"x/a.txt": "file 0004 0:0"})
case("chmod-new-parents", "FROM @BASE@\nCOPY --chmod=600 a.txt /p/q/", reason=OLD, expect={"p": "dir 0755 0:0", "p/q": "dir 0755 0:0", "p/q/a.txt": "file 0600 0:0"})
for kind, mode, facts in (("x-plus", "+x", "0755"), ("go-minus", "go-rwx", "0600"), ("copy-bits", "g=u", "0664"), ("set-id", "u+s,g+s", "6644"),
                          ("sticky", "+t", "1644"), ("equal", "a=r", "0444"), ("list", "u=rwx,g=rx,o=", "0750"), ("several-ops", "u+x-w", "0544"), ("nothing", "o=", "0640")):
    case(f"chmod-symbolic-{kind}", f"FROM @BASE@\nCOPY --chmod={mode} a.txt /x", reason=OLD, expect={"x": f"file {facts} 0:0"})
case("chmod-symbolic-dirs", "FROM @BASE@\nCOPY --chmod=u=rwX,go= m /x/", files=MODES, reason=OLD,
     expect={"x/f": "file 0600 0:0", "x/sub": "dir 0700 0:0", "x/sub/x": "file 0700 0:0"})
case("chmod-leaves-links", "FROM @BASE@\nCOPY --chmod=600 dir /x/", reason=OLD, expect={"x/inner": "symlink - 0:0 -> one.txt", "x/one.txt": "file 0600 0:0"})
case("add-chmod", "FROM @BASE@\nADD --chmod=755 a.txt /x", reason=OLD, expect={"x": "file 0755 0:0"})

# ---- --parents, --exclude, --link ----
case("parents-folder", "FROM @BASE@\nCOPY --parents dir/sub /x/", reason=OLD,
     expect={"x/dir/sub/three.txt": "file 0644 0:0", "x/dir/sub/deep/four.go": "file 0644 0:0", "x/dir/one.txt": None})
case("parents-keep-modes", "FROM @BASE@\nCOPY --parents m/sub/x /x/", files=MODES, reason=OLD, expect={"x/m": "dir 0750 0:0", "x/m/sub": "dir 0711 0:0", "x": "dir 0755 0:0"})
case("parents-double-star", "FROM @BASE@\nCOPY --parents **/*.txt /x/", reason=OLD,
     expect={"x/dir/one.txt": "file 0644 0:0", "x/dir/sub/three.txt": "file 0644 0:0", "x/a.txt": "file 0644 0:0", "x/dir/two.md": None, "x/dir/sub/deep": None})
case("parents-pivot-folder", "FROM @BASE@\nCOPY --parents dir/./sub /x/", reason=OLD, expect={"x/sub/three.txt": "file 0644 0:0", "x/sub/deep/four.go": "file 0644 0:0", "x/dir": None, "x/one.txt": None})
case("parents-pivot-star", "FROM @BASE@\nCOPY --parents ./dir/./*.txt /x/", reason=OLD, expect={"x/one.txt": "file 0644 0:0", "x/dir": None, "x/sub": None})
case("parents-leading-dot", "FROM @BASE@\nCOPY --parents ./dir/one.txt /x/", reason=OLD, expect={"x/dir/one.txt": "file 0644 0:0"})
case("parents-from-stage", "FROM @BASE@ AS s\nCOPY dir /opt/d\nFROM scratch\nCOPY --from=s --parents /opt/./d/sub/three.txt /opt/d/two.md /x/", reason=OLD,
     expect={"x/d/sub/three.txt": "file 0644 0:0", "x/opt/d/two.md": "file 0644 0:0", "x/d/one.txt": None})
case("parents-missing", "FROM @BASE@\nCOPY --parents dir/no.txt /x/", error="no.txt", at="2:16")
case("parents-and-exclude", "FROM @BASE@\nCOPY --parents --exclude=**/deep --exclude=*.md dir /x/", reason=OLD,
     expect={"x/dir/sub/three.txt": "file 0644 0:0", "x/dir/sub/deep": None, "x/dir/two.md": "file 0644 0:0"})
case("parents-chown", "FROM @BASE@\nCOPY --parents --chown=4:5 dir/one.txt /x/", root=True, reason=OLD, expect={"x/dir": "dir 0755 4:5", "x/dir/one.txt": "file 0644 4:5"})
case("exclude-below-folder", "FROM @BASE@\nCOPY --exclude=sub/deep --exclude=inner dir /x/", reason=OLD,
     expect={"x/sub/three.txt": "file 0644 0:0", "x/sub/deep": None, "x/inner": None, "x/two.md": "file 0644 0:0"})
case("exclude-keeps-exception", "FROM @BASE@\nCOPY --exclude=**/*.txt --exclude=!one.txt dir /x/", reason=OLD,
     expect={"x/one.txt": "file 0644 0:0", "x/sub/three.txt": None, "x/sub/deep/four.go": "file 0644 0:0"})
case("exclude-wildcard-source", "FROM @BASE@\nCOPY --exclude=a* *.txt /x/", reason=OLD, expect={"x/a.txt": None, "x/b.txt": "file 0600 0:0"})
case("exclude-variable", "FROM @BASE@\nARG e=md\nCOPY --exclude=*.$e dir /x/", reason=OLD, expect={"x/one.txt": "file 0644 0:0", "x/two.md": None})
case("exclude-add", "FROM @BASE@\nADD --exclude=sub dir /x/", reason=OLD, expect={"x/one.txt": "file 0644 0:0", "x/sub": None})
case("link-replaces-image-link", "FROM @BASE2@\nCOPY --link a.txt /to-srv/x", reason=OLD, expect={"to-srv": "dir 0755 0:0", "to-srv/x": "file 0644 0:0 2", "srv/x": None})
case("link-onto-existing-folder", "FROM @BASE2@\nCOPY --link a.txt /sticky/", reason=OLD, expect={"sticky": "dir 0755 0:0", "sticky/a.txt": "file 0644 0:0 2"})
case("link-folder", "FROM @BASE@\nCOPY --link --chown=3:4 dir /n/x/", root=True, reason=OLD, expect={"n/x": "dir 0755 3:4", "n/x/sub/three.txt": "file 0644 3:4"})
case("link-from-stage", "FROM @BASE@ AS s\nCOPY dir /d\nFROM @BASE@\nCOPY --link --from=s /d /x", reason=OLD, expect={"x/one.txt": "file 0644 0:0 4"})

# ---- --from, stages, named contexts ----
case("from-whole-root", "FROM @BASE@ AS s\nCOPY dir /d\nFROM scratch\nCOPY --from=s / /")
case("from-image-link-named", "FROM scratch\nCOPY --from=@BASE@ /bin/sh /sh")
case("from-image-dir-with-links", "FROM scratch\nCOPY --from=@BASE@ /bin /bin")
case("from-sticky-and-private", "FROM scratch\nCOPY --from=@BASE2@ /tmp /root /sticky /x/", ignore=["x"], reason="merged contents only")
case("from-dir-modes", "FROM scratch\nCOPY --from=@BASE2@ /sticky /x\nCOPY --from=@BASE2@ /home /h", root=True)
case("from-missing-path", "FROM @BASE@ AS s\nFROM scratch\nCOPY --from=s /nope /x", error="nope", at="3:15")
case("from-stage-chown-names-of-target", "FROM scratch AS s\nCOPY a.txt /\nFROM @BASE@\nCOPY --from=s --chown=app:web /a.txt /x", root=True)
case("from-stage-absolute-link", "FROM @BASE2@ AS s\nCOPY a.txt /srv/\nFROM scratch\nCOPY --from=s /to-srv/a.txt /rel-srv/a.txt /x/")
case("from-stage-ignores-dockerignore", "FROM @BASE@ AS s\nCOPY run.sh /d/a.txt\nFROM scratch\nCOPY --from=s /d/a.txt /x", files={".dockerignore": "a.txt\n"})
case("from-overwritten-in-stage", "FROM @BASE@ AS s\nCOPY a.txt /f\nCOPY b.txt /f\nFROM scratch\nCOPY --from=s /f /f")
case("from-stage-twice", "FROM @BASE@ AS s\nCOPY dir /d\nFROM scratch\nCOPY --from=s /d/one.txt /1\nCOPY --from=s /d/one.txt /2")
case("from-number-of-named", "FROM @BASE@ AS zero\nCOPY a.txt /f\nFROM @BASE@ AS one\nCOPY b.txt /g\nFROM scratch\nCOPY --from=0 /f /f\nCOPY --from=1 /g /g")
case("from-scratch-is-nothing", "FROM @BASE@\nCOPY --from=scratch /a /b", error="scratch", at="2:13")
case("from-self-index", "FROM @BASE@\nCOPY --from=0 /a /b", error="0", at="2:13")
case("stage-name-shadows", "FROM @BASE@ AS a\nCOPY a.txt /f\nFROM a AS a\nCOPY b.txt /g\nFROM scratch\nCOPY --from=a /f /g /x/",
     reason="this buildah crashes", expect={"x/f": "file 0644 0:0", "x/g": "file 0600 0:0"})
case("stage-any-case-from", "FROM @BASE@ AS Build\nCOPY a.txt /f\nFROM build\nCOPY b.txt /g", reason="stage names have no case in BuildKit; this buildah compares letters", expect={"f": "file 0644 0:0 2", "g": "file 0600 0:0"})
case("target-number", "FROM @BASE@ AS one\nCOPY a.txt /x\nFROM @BASE@\nCOPY b.txt /y", params={"target": "0"}, reason="this buildah knows targets by name only", expect={"x": "file 0644 0:0", "y": None})
case("target-any-case", "FROM @BASE@ AS One\nCOPY a.txt /x\nFROM @BASE@\nCOPY b.txt /y", params={"target": "ONE"}, reason=OLD, expect={"x": "file 0644 0:0", "y": None})
case("target-middle-needs-first", "FROM @BASE@ AS a\nCOPY a.txt /f\nFROM scratch AS b\nCOPY --from=a /f /g\nFROM b\nCOPY nothing /", params={"target": "b"}, args=["--target", "b"])
case("stages-config-of-last", "FROM @BASE2@ AS a\nENV x=1\nFROM scratch\nCOPY --from=a /etc/motd /m\nENV y=2")
case("context-folder", "FROM scratch\nCOPY --from=more f.txt /x/\nCOPY --from=more . /all/", files={"more/f.txt": "f\n", "more/sub/g": "g\n"},
     params={"build_contexts": {"more": "@CONTEXT@/more"}}, args=["--build-context", "more=@CONTEXT@/more"],
     reason="BuildKit: what comes from a folder is 0:0, whoever owns it there", ignore=["x/f.txt", "all/f.txt", "all/sub", "all/sub/g"],
     expect={"x/f.txt": "file 0644 0:0 2", "all/f.txt": "file 0644 0:0 2", "all/sub": "dir 0755 0:0", "all/sub/g": "file 0644 0:0 2"})
case("context-image-for-from", "FROM mine\nCOPY a.txt /x", params={"build_contexts": {"mine": "docker-image://@BASE2@"}}, args=["--build-context", "mine=docker-image://@BASE2@"])
case("context-replaces-stage", "FROM @BASE@ AS s\nCOPY nothing /f\nFROM scratch\nCOPY --from=s f.txt /x", files={"more/f.txt": "f\n"},
     params={"build_contexts": {"s": "@CONTEXT@/more"}}, reason="a named context replaces a stage of that name in BuildKit", expect={"x": "file 0644 0:0 2"})

# ---- ADD ----
case("add-tar-zst", "FROM @BASE@\nADD t.tar.zst /x/", files={"t.tar.zst": "@TAR:zst"}, reason="BuildKit reads zstd as well; this buildah may not",
     expect={"x/in/file": "file 0640 7:8 7"})
case("add-tar-into-new-deep-folder", "FROM @BASE@\nADD t.tar /p/q/r", files={"t.tar": "@TAR:"})
case("add-tar-through-link", "FROM @BASE2@\nADD t.tar /to-srv/", files={"t.tar": "@TAR:"})
case("add-tar-onto-file", "FROM @BASE@\nADD t.tar /etc/motd", files={"t.tar": "@TAR:"}, error="motd", at="2:5")
case("add-tar-glob", "FROM @BASE@\nADD *.tar /x/", files={"t1.tar": "@TAR:", "t2.tar": "@TAR:gz"})
case("add-tar-in-folder-stays", "FROM @BASE@\nADD t /x/", files={"t/a.tar": "@TAR:"})
case("add-tar-twice", "FROM @BASE@\nADD t.tar /x/\nADD t.tar /x/", files={"t.tar": "@TAR:"})
case("add-tar-dot-names", "FROM @BASE@\nADD d.tar /x/", files={"d.tar": "@TAR:dot"}, ignore=["x"],
     reason="docker and BuildKit leave the destination itself alone", expect={"x": "dir 0755 0:0"})
case("add-tar-hardlinks", "FROM @BASE@\nADD h.tar /x/", files={"h.tar": "@TAR:hard"})
case("add-empty-file", "FROM @BASE@\nADD e.tar /x/", files={"e.tar": ""})
case("add-short-file", "FROM @BASE@\nADD e.gz /x/", files={"e.gz": b"\x1f\x8b"})
case("add-gzip-of-no-tar", "FROM @BASE@\nADD e.gz /x/", files={"e.gz": "@GZIP"}, ignore=["x/e.gz", "x/e"], reason="BuildKit looks for a tar inside and copies what has none",
     expect={"x/e.gz": "file 0644 0:0"})
case("add-url", "FROM @BASE@\nADD http://@HOST@/v2/ /x", ignore=["x"], reason="Last-Modified and mode 0600: see the ADD tests", expect={"x": "file 0600 0:0 2"})
case("add-url-missing", "FROM @BASE@\nADD http://@HOST@/nothing-here /x", error="404", at="2:5")
case("add-checksum-of-file", "FROM @BASE@\nADD --checksum=sha256:" + "0" * 64 + " a.txt /x", error="checksum", at="2:5")
case("add-links", "FROM @BASE@\nADD link.txt dirlink /x/")

# ---- WORKDIR ----
case("workdir-through-link", "FROM @BASE2@\nWORKDIR /to-srv/a\nCOPY a.txt .")
case("workdir-user-group", "FROM @BASE@\nUSER app:web\nWORKDIR /n/m", root=True, ignore=["n", "n/m"], reason="BuildKit gives every missing level to USER",
     expect={"n": "dir 0755 1000:33", "n/m": "dir 0755 1000:33"})
case("workdir-user-number", "FROM @BASE@\nUSER 12\nWORKDIR /n", root=True, ignore=["n"], reason="BuildKit gives every missing level to USER", expect={"n": "dir 0755 12:0"})
case("workdir-existing-keeps", "FROM @BASE2@\nUSER app\nWORKDIR /sticky\nCOPY a.txt .")
case("workdir-file", "FROM @BASE@\nWORKDIR /etc/motd", error="motd", at="2:9")
case("workdir-root", "FROM @BASE2@\nWORKDIR /")
case("workdir-blanks", "FROM @BASE@\nWORKDIR /a b\nWORKDIR \"/c d\"", ignore=["config.WorkingDir"], reason="quotes are taken away, as in every word",
     expect={"config.WorkingDir": "/c d"})
case("workdir-dotdot", "FROM @BASE@\nWORKDIR /a/b\nWORKDIR ..\nWORKDIR ../../c", ignore=["config.WorkingDir"], reason="BuildKit cleans the path", expect={"config.WorkingDir": "/c"})

# ---- .dockerignore ----
IGNORED_OTHERWISE = {
    "exception-deep-star": {"reason": "buildah does not look below an excluded folder for this; the reference: the last match decides",
                            "ignore": ["dir/sub", "dir/sub/three.txt"], "expect": {"dir/sub/three.txt": "file 0644 0:0", "dir/sub/deep": None}},
    "exception-blank": {"reason": "docker drops blanks behind the !", "ignore": ["a.txt"], "expect": {"a.txt": "file 0644 0:0"}},
}
for name, text in {
    "anchored-middle": "dir/one.txt\n", "star-in-folder": "dir/*\n", "star-depth": "*/*.txt\n", "double-star-dir": "**/sub\n", "double-star-end": "dir/**\n",
    "double-star-only": "**\n!a.txt\n", "class": "[ab].txt\n", "exception-deep-star": "dir\n!dir/**/*.txt\n", "exception-folder": "dir\n!dir/sub\n",
    "exception-then-out": "*.txt\n!a.txt\na.*\n", "exception-blank": "*.txt\n! a.txt\n", "crlf": "a.txt\r\ndir\r\n", "bom": "\ufeffa.txt\n", "hash-inside": "a#b\n#a.txt\n",
    "blank-inside": "sp ace.txt\n", "trailing-slash-file": "a.txt/\n", "dot": ".\n!a.txt\n", "parent": "../a.txt\n", "escaped": "a\\.txt\n", "escaped-star": "s\\*r\n",
    "link-itself": "dirlink\nlink.txt\n", "everything-txt": "**/*.txt\n!**/three.txt\n", "slash-star": "/*\n!/dir\n", "exception-of-nothing": "!nothing\n",
    "double-star-glued": "dir/**.txt\n", "empty": "", "star-star-mid": "**/deep/**\n",
}.items():
    case("ignored-" + name, "FROM scratch\nCOPY . /\nCOPY run.sh /always", files={".dockerignore": text + "!run.sh\n", "s*r": "star\n", "a#b": "hash\n"},
         **IGNORED_OTHERWISE.get(name, {}))
case("ignored-folder-with-exception-named", "FROM scratch\nCOPY dir /x\nCOPY dir/sub /y/", files={".dockerignore": "dir\n!dir/sub/three.txt\n"})
case("ignored-folder-named", "FROM scratch\nCOPY dir /x", files={".dockerignore": "dir\n"}, error="dir", at="2:6")
case("ignored-link-to-folder", "FROM scratch\nCOPY dirlink /x", files={".dockerignore": "dir/sub\n"})
case("ignored-malformed", "FROM scratch\nCOPY a.txt /", files={".dockerignore": "ok\n[a-\n"}, error=".dockerignore:2")
case("ignored-own-of-other-name", "FROM scratch\nCOPY nothing /", files={"sub/Other": "FROM scratch\nCOPY . /\n", "sub/Other.dockerignore": "b.txt\nsub\n", ".dockerignore": "a.txt\n"},
     params={"dockerfile": "sub/Other"}, reason=OLD, expect={"a.txt": "file 0644 0:0", "b.txt": None, "sub": None})
case("ignored-does-not-touch-named-context", "FROM scratch\nCOPY --from=more . /", files={"more/a.txt": "f\n", ".dockerignore": "**/a.txt\n"},
     params={"build_contexts": {"more": "@CONTEXT@/more"}}, args=["--build-context", "more=@CONTEXT@/more"],
     reason="BuildKit: what comes from a folder is 0:0, whoever owns it there", ignore=["a.txt"], expect={"a.txt": "file 0644 0:0 2"})

# ---- heredocs ----
def heredoc(name, text, **expect):
    case("heredoc-" + name, text, reason=OLD, expect={k.replace("_", "/"): v for k, v in expect.items()})


heredoc("quoted-double", "FROM scratch\nARG x=1\nCOPY <<\"EOF\" /f\n$x\nEOF\n", f=b"$x\n")
heredoc("dash-quoted", "FROM scratch\nARG x=1\nCOPY <<-'EOF' /f\n\t$x\n\tEOF\n", f=b"$x\n")
heredoc("forms-inside", "FROM scratch\nARG x=1\nCOPY <<EOF /f\n${x:-2}${y:-33}${x:+5}\\$x\"'\nEOF\n", f=b"1335$x\"'\n")
heredoc("empty", "FROM scratch\nCOPY <<EOF /f\nEOF\n", f="file 0644 0:0 0")
heredoc("keeps-comments-and-marks", "FROM scratch\nCOPY <<'EOF' /f\n# no comment \\\nEOF \nEOF\n", f=b"# no comment \\\nEOF \n")
heredoc("modes", "FROM scratch\nCOPY --chmod=755 --chown=1:2 <<run <<other /d/\n#!/bin/sh\nrun\no\nother\n", d_run="file 0755 1:2", d_other="file 0755 1:2")
heredoc("crlf", "FROM scratch\r\nCOPY <<EOF /f\r\nx\r\nEOF\r\nENV a=1\r\n", f=b"x\r\n")
heredoc("after-continuation", "FROM scratch\nCOPY <<EOF \\\n  /f\nx\nEOF\n", f="file 0644 0:0 2")
heredoc("then-instruction", "FROM scratch\nCOPY <<EOF /f\nx\nEOF\nCOPY a.txt /g\n", f=b"x\n", g=b"a\n")
heredoc("add", "FROM scratch\nADD <<EOF /f\nx\nEOF\n", f=b"x\n")
heredoc("digits", "FROM scratch\nCOPY 3<<EOF /d/\nx\nEOF\n", d_EOF=b"x\n")
heredoc("no-newline-at-end", "FROM scratch\nCOPY <<EOF /f\nx\nEOF", f=b"x\n")
case("heredoc-only-where-it-belongs", "FROM scratch\nENV a=<<EOF\nLABEL b=<<X\nCOPY a.txt /", reason=OLD, expect={"config.Env": ["a=<<EOF"], "config.Labels": {"b": "<<X"}})
case("heredoc-error-place", "FROM scratch\nCOPY <<EOF /f\nok\n  ${x^}\nEOF\n", error="variable", at="4:3")
case("heredoc-onbuild", "FROM @BASE@ AS p\nONBUILD COPY <<EOF /on\nx\nEOF\nFROM p\nCOPY a.txt /x", reason=OLD, expect={"on": "file 0644 0:0 2"})
