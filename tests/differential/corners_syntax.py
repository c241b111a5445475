# SPDX-License-Identifier: Apache-2.0
"""More cases: how a Dockerfile is read, variables and their scopes, metadata, errors with their place."""

from cases import OLD, case

# ---- parser directives, comments, continuations ----
case("directive-twice", "# escape=\\\n# escape=`\nFROM scratch\n", error="second time", at="2:1")
case("directive-escape-invalid", "# escape=x\nFROM scratch\n", error="escape", at="1:1")
case("directive-after-comment", "# a comment\n# escape=`\nFROM scratch\nENV a=1 \\\n  b=2`\nCOPY a.txt /")
case("directive-after-unknown", "# magic=1\n# escape=`\nFROM scratch\nENV a=1 \\\n  b=2\nCOPY a.txt /")
case("directive-after-blank-line", " \n# escape=`\nFROM scratch\nENV a=1 \\\n  b=2\nCOPY a.txt /")
case("directive-any-case-and-blanks", "#  ESCAPE  =  `  \nFROM scratch\nENV a=1 `\n  b=2\nCOPY a.txt /")
case("directive-check", "# check=skip=all\nFROM @BASE@\nMAINTAINER me\nCOPY a.txt /x", expect={"x": "file 0644 0:0 2"}, reason=OLD)
case("directive-check-error", "# check=error=true\nFROM @BASE@\nMAINTAINER me\nCOPY a.txt /x", error="MAINTAINER", at="3:1")
case("directive-check-error-skipped", "# check=skip=MaintainerDeprecated;error=true\nFROM @BASE@\nMAINTAINER me\nCOPY a.txt /x",
     expect={"x": "file 0644 0:0 2"}, reason=OLD)
case("directive-check-invalid", "# check=strict\nFROM scratch\n", error="check", at="1:1")
case("directive-syntax-forms", "# syntax = docker.io/docker/dockerfile-upstream:master@sha256:" + "0" * 64 + "\nFROM @BASE@\nCOPY a.txt /x")
case("directive-syntax-of-others", "# syntax=example.com/my/frontend:1\nFROM @BASE@\n", error="example.com/my/frontend", at="1:1")
case("crlf-continuation", "FROM @BASE@\r\nENV a=1 \\\r\n  b=2\r\nCOPY a.txt \\\r\n  /x\r\n")
case("byte-order-mark", "\ufeffFROM @BASE@\nCOPY a.txt /x")
case("comment-is-not-in-arguments", "FROM @BASE@\nENV a=# b=x#y\nCOPY a.txt /#x")
case("comment-with-continuation-mark", "FROM @BASE@\n# ends in \\\nCOPY a.txt /x")
case("comment-indented-in-continuation", "FROM scratch\nENV a=1 \\\n  # between \\\n  b=2 \\\n# last\n  c=3\nCOPY a.txt /")
case("continuation-keeps-blanks", "FROM scratch\nENV a=\"x\\\n   y\"\nCOPY a.txt /")
case("continuation-joins-words", "FROM @BASE@\nCO\\\nPY a.t\\\nxt /x")
case("continuation-blanks-behind-mark", "FROM @BASE@\nCOPY a.txt \\  \t\n  /x")
case("continuation-at-end-of-file", "FROM @BASE@\nCOPY a.txt /x \\\n")
case("continuation-double-mark-is-none", "FROM scratch\nENV a=x\\\\\nENV b=1\nCOPY a.txt /",
     reason="BuildKit: two marks are an escaped one", expect={"config.Env": ["a=x\\", "b=1"]})
case("no-newline-at-end", "FROM @BASE@\nCOPY a.txt /x")
case("tabs-between-words", "FROM\t@BASE@\nCOPY\ta.txt\t\t/x")
case("instruction-mixed-case", "FrOm @BASE@ aS One\ncOpY a.txt /x\nFROM one\nEnv a=1", reason="stage names have no case in BuildKit",
     expect={"x": "file 0644 0:0", "config.Env": ["a=1"]})
case("escape-backtick-in-values", "# escape=`\nFROM scratch\nENV a=`$x b=c:\\dir d=\"e`\"f\" g=two` words\nCOPY a.txt /",
     reason="this buildah escapes by backslash here", expect={"config.Env": ["a=$x", "b=c:\\dir", "d=e\"f", "g=two words"]})
case("json-single-quotes-copy", "FROM @BASE@\nCOPY ['a.txt', '/x/']", error="['a.txt'")
case("json-single-quotes-entrypoint", "FROM @BASE@\nENTRYPOINT ['/run', 'x']")
case("json-single-quotes-volume", "FROM @BASE@\nVOLUME ['/v']\nCOPY a.txt /x", ignore=["'/v']", "['", "['/v']"],
     reason="BuildKit makes no directories for VOLUME")
case("json-trailing-comma", 'FROM @BASE@\nCMD ["a", "b",]')
case("json-unfinished", 'FROM @BASE@\nCMD ["a", "b"')
case("json-escapes", 'FROM @BASE@\nCMD ["a\\tb", "\\u00e9", "q\\"q", "back\\\\slash"]')
case("json-spaces-and-lines", 'FROM @BASE@\nCMD [ "a" , \\\n  "b" ]')
case("json-empty-cmd", "FROM @BASE2@\nCMD []")
case("json-empty-entrypoint", "FROM @BASE2@\nENTRYPOINT []")
case("json-number", "FROM @BASE@\nCMD [1, 2]", error="strings", at="2:5")
case("json-after-text", 'FROM @BASE@\nCMD echo ["a"]')
case("json-variables", 'FROM @BASE@\nENV n=a\nCOPY ["$n.txt", "${n}.txt", "/x/"]', expect={"x/a.txt": "file 0644 0:0 2"},
     reason="the same file twice: one copy")

# ---- errors say where ----
case("error-unknown-flag-column", "FROM @BASE@\nCOPY --chwon=1 a.txt /x/", error="chwon", at="2:6")
case("error-instruction-column", "FROM @BASE@\n   COYP a.txt /x", error="COYP", at="2:4")
case("error-in-continuation", "FROM @BASE@\nCOPY \\\n  --chwon=1 \\\n  a.txt /x/", error="chwon", at="3:3")
case("error-missing-source-line", "FROM @BASE@\nCOPY a.txt \\\n   nothing.txt /x/", error="nothing.txt", at="3:4")
case("error-unset-required", "FROM @BASE@\nENV a=1 b=${v:?say-v}\nCOPY a.txt /", error="say-v", at="2:11")
case("error-variable-form", "FROM @BASE@\nENV a=${v^}\nCOPY a.txt /", error="variable", at="2:7")
case("error-open-quote", "FROM @BASE@\nENV a=\"x\nCOPY a.txt /", error="quote", at="2:7")
case("error-open-brace", "FROM @BASE@\nENV a=${x\nCOPY a.txt /", error="}", at="2:7")
case("error-from-arguments", "FROM @BASE@ one", error="FROM", at="1:")
case("error-from-empty", "ARG B\nFROM $B\nCOPY a.txt /", error="empty", at="2:6")
case("error-stage-name", "FROM @BASE@ AS 1st", error="1st")
case("error-copy-one-word", "FROM @BASE@\nCOPY a.txt", error="COPY", at="2:6")
case("error-env-without-value", "FROM @BASE@\nENV name", error="name", at="2:5")
case("error-env-mixed-forms", "FROM @BASE@\nENV a=1 b", error="=", at="2:9")
case("error-env-no-name", "FROM @BASE@\nENV =x", error="name", at="2:5")
case("error-arg-empty", "FROM @BASE@\nARG", error="ARG", at="2:1")
case("error-expose-word", "FROM @BASE@\nEXPOSE http", error="http", at="2:8")
case("error-expose-range", "FROM @BASE@\nEXPOSE 90-80", error="90-80", at="2:8")
case("error-expose-protocol", "FROM @BASE@\nEXPOSE 80/http", error="80/http", at="2:8")
case("error-expose-too-large", "FROM @BASE@\nEXPOSE 70000", error="70000", at="2:8")
case("error-stopsignal", "FROM @BASE@\nSTOPSIGNAL SIGNOPE", error="SIGNOPE", at="2:12")
case("error-shell-form", "FROM @BASE@\nSHELL /bin/sh -c", error="JSON", at="2:7")
case("error-healthcheck-form", "FROM @BASE@\nHEALTHCHECK curl localhost", error="curl", at="2:13")
case("error-healthcheck-duration", "FROM @BASE@\nHEALTHCHECK --interval=5x CMD true", error="5x", at="2:24")
case("error-healthcheck-retries", "FROM @BASE@\nHEALTHCHECK --retries=-1 CMD true", error="-1", at="2:23")
case("error-healthcheck-none-flags", "FROM @BASE@\nHEALTHCHECK --timeout=5s NONE", error="NONE")
case("error-onbuild-from", "FROM @BASE@\nONBUILD FROM scratch", error="FROM", at="2:9")
case("error-onbuild-unknown", "FROM @BASE@\nONBUILD COYP a b", error="COYP", at="2:9")
case("error-onbuild-flag", "FROM @BASE@\nONBUILD COPY --fro=x a b", error="fro", at="2:14")
case("error-volume-empty", 'FROM @BASE@\nVOLUME [""]', error="empty", at="2:9")
case("error-workdir-empty", "FROM @BASE@\nWORKDIR $nothing", error="empty", at="2:9")
case("error-user-empty", "FROM @BASE@\nUSER $nothing", error="empty", at="2:6")
case("error-flag-twice", "FROM @BASE@\nCOPY --chown=1 --chown=2 a.txt /", error="second", at="2:16")
case("error-flag-behind-source", "FROM @BASE@\nCOPY a.txt --chown=1 /x/", error="--chown", at="2:12")
case("error-link-value", "FROM @BASE@\nCOPY --link=maybe a.txt /", error="maybe", at="2:6")
case("error-heredoc-target", "FROM @BASE@\nCOPY a.txt <<EOF\nEOF\n", error="heredoc", at="2:12")
case("error-chmod-text", "FROM @BASE@\nCOPY --chmod=u=q a.txt /", error="u=q", at="2:14")
case("error-chown-group", "FROM @BASE@\nCOPY --chown=0:nobody-here a.txt /", error="nobody-here", at="2:14")
case("error-from-forward-index", "FROM @BASE@\nCOPY --from=1 /a /b\nFROM scratch", error="1", at="2:13")
case("error-several-need-a-folder", "FROM @BASE@\nCOPY a.txt b.txt /x", error="slash", at="2:18")
case("error-pattern", "FROM @BASE@\nCOPY [a- /x/", error="[a-", at="2:6")
case("error-copy-url", "FROM @BASE@\nCOPY http://127.0.0.1:1/x /x", error="ADD", at="2:6")
case("error-ignored-file-says-so", "FROM @BASE@\nCOPY a.txt /", files={".dockerignore": "*.txt\n"}, error=".dockerignore", at="2:6")

# ---- ${...} ----
case("expand-globs-trim", "FROM scratch\nENV v=aXbXc\nENV a=${v#*X} b=${v##*X} c=${v%X*} d=${v%%X*} e=${v#?} f=${v%?} g=${v#X} h=${v##} i=${v%nope}\nCOPY a.txt /",
     reason=OLD, expect={"config.Env": ["v=aXbXc", "a=bXc", "b=c", "c=aXb", "d=a", "e=XbXc", "f=aXbX", "g=aXbXc", "h=aXbXc", "i=aXbXc"]})
case("expand-globs-replace", "FROM scratch\nENV v=aXbXc p=/usr/bin\nENV a=${v/X/-} b=${v//X/-} c=${v/X} d=${v//X/}\nCOPY a.txt /", error="'/'")
case("expand-replace-glob", "FROM scratch\nENV v=aXbXc p=/usr/bin\nENV a=${v/X/-} b=${v//X/-} d=${v//X/} e=${v/?X/_} f=${v/X*/_} g=${p//\\//:}\nCOPY a.txt /",
     reason=OLD, expect={"config.Env": ["v=aXbXc", "p=/usr/bin", "a=a-bXc", "b=a-b-c", "d=abc", "e=_bXc", "f=a_", "g=:usr:bin"]})
case("expand-nested", "FROM scratch\nENV b=deep\nENV a=${x:-${y:-$b}} c=${b:+${b}er}\nCOPY a.txt /")
case("expand-nested-quotes", "FROM scratch\nENV a=\"${x:-two words}\" b=${x:-'q$b'} c=\"${x:-\"in\"}\"\nCOPY a.txt /", reason=OLD,
     expect={"config.Env": ["a=two words", "b=q$b", "c=in"]})
case("expand-required-set", "FROM scratch\nENV v=1\nENV a=${v:?no} b=${v?no}\nCOPY a.txt /", reason=OLD, expect={"config.Env": ["v=1", "a=1", "b=1"]})
case("expand-unset", "FROM scratch\nENV a=[$nothing] b=[${nothing}]\nCOPY a.txt /")
case("expand-name-ends", "FROM scratch\nENV v=1\nENV a=$v.x b=$v-x c=${v}x d=$vx e=$v$v\nCOPY a.txt /")
case("expand-dollar-alone", "FROM scratch\nENV a=x$ b=\"$\" c='$v' d=\\$\nCOPY a.txt /")
case("expand-quotes-in-words", "FROM scratch\nENV a=\"x\"'y'z b=\"it's\" c='say \"hi\"' d=\"\" e=''\nCOPY a.txt /")
case("expand-backslashes", "FROM scratch\nENV a=\\a b=\"\\a\" c='\\a' d=x\\ y e=\"x\\\\y\"\nCOPY a.txt /")
case("expand-special-names", "FROM scratch\nENV a=[$$] b=[$1] c=[$@] d=[$10] e=[$_x] f=[${1}]\nCOPY a.txt /", reason="BuildKit takes $$, $@ and all digits for names",
     ignore=["config.Env"], expect={"config.Env": ["a=[]", "b=[]", "c=[]", "d=[]", "e=[]", "f=[]"]})
case("expand-in-key", "FROM scratch\nENV k=name\nENV $k=1\nLABEL $k=v ${k}2=w\nCOPY a.txt /")
case("expand-copy-words", "FROM @BASE@\nENV d=dir s=one\nCOPY ${d}/$s.txt /${d:-x}/$s-${s}")
case("expand-copy-quotes", "FROM @BASE@\nCOPY \"a.txt\" '/x/'")
case("expand-workdir", "FROM @BASE@\nENV r=/srv\nWORKDIR ${r}/a\nWORKDIR $none/b\nWORKDIR c$none", ignore=["config.WorkingDir", "b", "b/c", "srv/a/c", "srv/a/b", "srv/a/b/c"],
     reason="both take /b for an empty variable; kept as a check of ours", expect={"config.WorkingDir": "/b/c", "b/c": "dir 0755 0:0"})
case("expand-user", "FROM @BASE@\nARG U=app\nUSER ${U}\nCOPY a.txt /x")
case("expand-volume", "FROM @BASE@\nENV v=/data\nVOLUME $v/one ${v}/two\nCOPY a.txt /x", ignore=["data", "data/one", "data/two"],
     reason="BuildKit makes no directories for VOLUME")
case("expand-expose", "FROM @BASE@\nENV p=80 q=\"81 82\"\nEXPOSE $p $q 83/udp", ignore=["config.ExposedPorts"],
     reason="BuildKit splits the words of a variable",
     expect={"config.ExposedPorts": {p: {} for p in ("80/tcp", "81/tcp", "82/tcp", "83/udp")}})
case("expand-stopsignal", "FROM @BASE@\nENV s=TERM\nSTOPSIGNAL SIG$s")
case("expand-label-quotes", "FROM scratch\nENV v=1\nLABEL a=$v b=\"$v\" c='$v' d=\\$v\nCOPY a.txt /")
case("expand-not-in-cmd", "FROM @BASE@\nENV v=1\nCMD echo $v ${v}\nENTRYPOINT [\"$v\"]\nHEALTHCHECK CMD echo $v")
case("expand-not-in-maintainer", "FROM @BASE@\nENV v=1\nMAINTAINER me $v", expect={"config.author": "me $v"}, ignore=["config.author"],
     reason="the reference does not list MAINTAINER among the instructions whose variables are replaced")
case("expand-not-in-onbuild", "FROM @BASE@\nENV v=1\nONBUILD ENV w=$v")
case("expand-chown", "FROM @BASE@\nENV u=7 g=8\nCOPY --chown=$u:${g} a.txt /x", root=True)
case("expand-chmod", "FROM @BASE@\nARG M=0700\nCOPY --chmod=$M a.txt /x", reason=OLD, expect={"x": "file 0700 0:0 2"})

# ---- ARG ----
case("arg-changes-later", "FROM scratch\nARG v=1\nENV a=$v\nARG v=2\nENV b=$v\nCOPY a.txt /")
case("arg-given-beats-both", "FROM scratch\nARG v=1\nENV a=$v\nARG v=2\nENV b=$v\nCOPY a.txt /", params={"build_args": {"v": "3"}}, args=["--build-arg", "v=3"])
case("arg-given-empty", "FROM scratch\nARG v=1\nENV a=[$v] b=${v:-d} c=${v+s}\nCOPY a.txt /", params={"build_args": {"v": ""}}, args=["--build-arg", "v="],
     reason=OLD, expect={"config.Env": ["a=[]", "b=d", "c=s"]})
case("arg-given-undeclared", "FROM scratch\nENV a=[$v]\nCOPY a.txt /", params={"build_args": {"v": "3"}}, args=["--build-arg", "v=3"])
case("arg-bare-unset", "FROM scratch\nARG v\nENV a=[$v] b=${v-d}\nCOPY a.txt /", reason=OLD, expect={"config.Env": ["a=[]", "b=d"]})
case("arg-from-arg-in-stage", "FROM scratch\nARG a=1\nARG b=${a}2\nENV r=$b\nCOPY a.txt /")
case("arg-several-see-each-other", "FROM scratch\nARG a=1 b=${a}2\nENV r=$b\nCOPY a.txt /", reason=OLD, expect={"config.Env": ["r=12"]})
case("arg-env-after-arg", "FROM scratch\nARG v=arg\nENV v=env-$v\nENV r=$v\nCOPY a.txt /")
case("arg-global-given", "ARG v=1\nFROM scratch\nARG v\nENV r=$v\nCOPY a.txt /", params={"build_args": {"v": "2"}}, args=["--build-arg", "v=2"])
case("arg-global-own-default", "ARG v=global\nFROM scratch\nARG v=own\nENV r=$v\nCOPY a.txt /")
case("arg-global-in-name", "ARG n=one\nFROM @BASE@ AS one\nCOPY a.txt /from-one\nFROM $n\nCOPY b.txt /b", reason=OLD, expect={"from-one": "file 0644 0:0", "b": "file 0600 0:0"})
case("arg-global-in-tag", "ARG T=1\nFROM @HOST@/base:${T:-2}\nCOPY a.txt /x")
case("arg-every-stage", "ARG v=g\nFROM scratch AS a\nARG v\nENV x=$v\nCOPY a.txt /\nFROM scratch AS b\nENV x=[$v]\nCOPY a.txt /\nFROM a\nENV y=$v z=$x\nCOPY --from=b /a.txt /b",
     reason="the reference: an ARG is inherited by stages FROM that stage", ignore=["config.Env"], expect={"config.Env": ["x=g", "y=g", "z=g"]})
case("arg-not-in-other-stage", "FROM @BASE@ AS one\nARG v=1\nFROM @BASE@ AS two\nENV r=[$v]\nCOPY --from=one /etc/motd /m")
case("arg-platform-undeclared", "FROM scratch\nENV r=[$TARGETARCH]\nCOPY a.txt /")
case("arg-platform-family", "FROM scratch\nARG TARGETPLATFORM TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH\nENV r=$TARGETPLATFORM/$TARGETVARIANT\nCOPY a.txt /",
     reason=OLD, expect={"config.Env": ["r=linux/amd64/"]})
case("arg-platform-in-from", "FROM --platform=$BUILDPLATFORM @BASE@\nCOPY a.txt /x")
case("arg-platform-in-global", "ARG which=base-$TARGETOS\nFROM scratch\nARG which\nENV r=$which\nCOPY a.txt /", reason=OLD, expect={"config.Env": ["r=base-linux"]})
case("arg-platform-overridden", "FROM scratch\nARG TARGETARCH=mine\nENV r=$TARGETARCH\nCOPY a.txt /", reason=OLD, expect={"config.Env": ["r=mine"]})
case("arg-quotes", "FROM scratch\nARG a='x y' b=\"p q\" c=r\\ s\nENV r=\"$a,$b,$c\"\nCOPY a.txt /", reason=OLD, expect={"config.Env": ["r=x y,p q,r s"]})
case("arg-proxy-without-arg", "FROM scratch\nENV r=[$http_proxy]\nCOPY a.txt /", params={"build_args": {"http_proxy": "http://p:1"}}, reason=OLD,
     expect={"config.Env": ["r=[]"]})

# ---- metadata ----
case("env-legacy-quotes", "FROM scratch\nENV a \"b c\" 'd'\nENV e f=g h\nCOPY a.txt /")
case("env-legacy-variables", "FROM scratch\nENV v=1\nENV a x $v  y\nCOPY a.txt /")
case("env-several-lines", "FROM scratch\nENV a=1 \\\n    b=\"2 \\\n3\" \\\n    c=4\nCOPY a.txt /")
case("env-order-and-repeat", "FROM @BASE2@\nENV z=1 a=2\nENV z=3 KEEP=4\nCOPY a.txt /x", ignore=["config.Env"],
     reason="BuildKit keeps the place of a variable that is set again", expect={"config.Env": ["KEEP=4", "z=3", "a=2"]})
case("env-repeat-in-one", "FROM scratch\nENV a=1 a=2 b=$a\nCOPY a.txt /", reason=OLD, expect={"config.Env": ["a=2", "b="]})
case("env-path-of-scratch", "FROM scratch\nENV r=$PATH\nCOPY a.txt /", reason=OLD,
     expect={"config.Env": ["r=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]})
case("env-path-extended", "FROM @BASE@\nENV PATH=/opt/bin:$PATH\nCOPY a.txt /x")
case("env-unicode", "FROM scratch\nENV a=grün b=\"日本 x\"\nCOPY a.txt /")
case("label-legacy-quotes", "FROM scratch\nLABEL a \"b c\" d\nCOPY a.txt /")
case("label-override-base", "FROM @BASE2@\nLABEL base=no other=\nCOPY a.txt /x")
case("label-several-lines", "FROM scratch\nLABEL a=1 \\\n  b.c-d=\"2 3\" \\\n  e='4'\nCOPY a.txt /")
case("label-empty-value", "FROM scratch\nLABEL a= b=\"\"\nCOPY a.txt /")
case("expose-forms", "FROM @BASE@\nEXPOSE 1 2/tcp 3/udp 4/SCTP 10-12/udp 20-20", reason="BuildKit spells ranges out and protocols in lower case",
     ignore=["config.ExposedPorts"],
     expect={"config.ExposedPorts": {p: {} for p in ("1/tcp", "2/tcp", "3/udp", "4/sctp", "10/udp", "11/udp", "12/udp", "20/tcp")}})
case("expose-inherited", "FROM @BASE2@\nEXPOSE 9")
case("user-forms", "FROM @BASE@\nUSER root\nUSER app:web\nUSER 12\nUSER 5:app")
case("user-unknown-is-fine-without-run", "FROM @BASE@\nUSER nobody-here\nCOPY a.txt /x")
case("user-inherited-by-stage", "FROM @BASE@ AS a\nUSER app\nFROM a\nCOPY a.txt /x")
case("stopsignal-forms", "FROM @BASE@\nSTOPSIGNAL SIGTERM\nSTOPSIGNAL SIGRTMIN+3")
case("healthcheck-all", "FROM @BASE@\nHEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1h --start-interval=2s --retries=7 CMD [\"x\", \"y\"]",
     reason="this buildah does not know --start-interval", expect={"config.Healthcheck": {"Test": ["CMD", "x", "y"], "Interval": 90000000000, "Timeout": 500000000,
                                     "StartPeriod": 3600000000000, "StartInterval": 2000000000, "Retries": 7}})
case("healthcheck-shell-instruction", "FROM @BASE@\nSHELL [\"/bin/ash\", \"-c\"]\nHEALTHCHECK CMD echo x", ignore=["config.Shell"], reason="this buildah forgets SHELL")
case("healthcheck-last-wins", "FROM @BASE@\nHEALTHCHECK CMD one\nHEALTHCHECK --retries=2 CMD two")
case("healthcheck-lower-case", "FROM @BASE@\nHEALTHCHECK cmd one")
case("shell-and-entrypoint", 'FROM @BASE@\nSHELL ["/bin/bash", "-c"]\nENTRYPOINT run it\nCMD args', ignore=["config.Cmd", "config.Entrypoint", "config.Shell"],
     reason="the reference: SHELL holds for the shell form of CMD and ENTRYPOINT; this buildah forgets it",
     expect={"config.Cmd": ["/bin/bash", "-c", "args"], "config.Entrypoint": ["/bin/bash", "-c", "run it"], "config.Shell": ["/bin/bash", "-c"]})
case("shell-inherited-by-stage", 'FROM @BASE@ AS a\nSHELL ["/bin/x", "-c"]\nFROM a\nCMD go', ignore=["config.Cmd", "config.Shell"],
     reason="this buildah forgets SHELL", expect={"config.Cmd": ["/bin/x", "-c", "go"]})
case("cmd-bare", "FROM @BASE2@\nCMD", ignore=["config.Cmd"], reason="the reference is silent: like ENTRYPOINT without arguments, and like CMD [], it clears",
     expect={"config.Entrypoint": ["/bin/echo"]})
case("entrypoint-bare", "FROM @BASE2@\nENTRYPOINT")
case("cmd-shell-continuation", "FROM @BASE@\nCMD echo a && \\\n    echo b")
case("cmd-kept-blanks", "FROM @BASE@\nCMD  echo   a  \"b  c\"")
case("entrypoint-shell-keeps-cmd-of-stage", "FROM @BASE2@\nCMD [\"mine\"]\nENTRYPOINT x")
case("entrypoint-clears-cmd-of-parent-stage", "FROM @BASE@ AS a\nCMD [\"parent\"]\nFROM a\nENTRYPOINT [\"x\"]", ignore=["config.Cmd"],
     reason="BuildKit: a CMD of another stage came with the base", expect={"config.Entrypoint": ["x"]})
case("volume-forms", 'FROM @BASE@\nVOLUME /a /b\nVOLUME ["/c"]\nVOLUME ["/d", "/e f"]\nVOLUME rel\nCOPY a.txt /x', ignore=["a", "b", "c", "d", "e f", "rel"],
     reason="BuildKit makes no directories for VOLUME")
case("maintainer-then-label", "FROM @BASE@\nMAINTAINER me\nLABEL maintainer=you")

# ---- ONBUILD ----
case("onbuild-cleared-for-grandchildren", "FROM @BASE@ AS a\nONBUILD COPY a.txt /on\nFROM a AS b\nFROM b\nCOPY b.txt /b")
case("onbuild-order", "FROM @BASE@ AS a\nONBUILD ENV x=1\nONBUILD ENV y=$x\nONBUILD COPY a.txt /$x\nFROM a\nENV z=$x$y")
case("onbuild-of-image", "FROM @ONBUILD@\nCOPY b.txt /b")
case("onbuild-of-image-and-own", "FROM @ONBUILD@\nONBUILD LABEL mine=1\nCOPY b.txt /b")
case("onbuild-copy-from-stage", "FROM @BASE@ AS data\nCOPY a.txt /d/\nFROM @BASE@ AS p\nONBUILD COPY --from=data /d/a.txt /on\nFROM p\nCOPY b.txt /b",
     reason="this buildah does not find the stage", expect={"on": "file 0644 0:0 2", "b": "file 0600 0:0"})
case("onbuild-copy-from-image", "FROM @BASE@ AS p\nONBUILD COPY --from=@BASE2@ /etc/motd /on\nFROM p\nCOPY b.txt /b")
case("onbuild-forms-recorded", 'FROM @BASE@\nONBUILD RUN ["a", "b"]\nONBUILD CMD x  y\nONBUILD HEALTHCHECK NONE\nonbuild user 1\nONBUILD WORKDIR /w')
case("onbuild-metadata", "FROM @BASE@ AS p\nONBUILD USER app\nONBUILD WORKDIR /srv\nONBUILD CMD [\"on\"]\nONBUILD EXPOSE 80\nONBUILD LABEL a=b\nFROM p\nCOPY a.txt here")
case("onbuild-arg", "FROM @BASE@ AS p\nONBUILD ARG v=1\nONBUILD ENV r=$v\nFROM p\nCOPY a.txt /x", params={"build_args": {"v": "2"}}, args=["--build-arg", "v=2"])
case("onbuild-error-shows-trigger", "FROM @BASE@ AS p\nONBUILD COPY nothing /x\nFROM p\nCOPY a.txt /x", error="nothing", at="3:1")

# ---- RUN, as the text of a Dockerfile ----
case("run-onbuild-mount-from-stage", "FROM @BASE@ AS data\nCOPY a.txt /d/\nFROM @BASE@ AS p\nONBUILD RUN --mount=type=bind,from=data,source=/d,target=/m cp /m/a.txt /on\nFROM p\nCOPY b.txt /b",
     reason="this buildah does not find the stage", expect={"on": "file 0644 0:0 2", "b": "file 0600 0:0"})
case("run-mount-variables", "FROM @BASE@\nARG S=dir T=/m\nRUN --mount=type=bind,source=$S,target=${T} cp /m/one.txt /out", reason=OLD, expect={"out": "file 0644 0:0 4"})
case("run-mount-from-variable", "FROM @BASE@ AS s\nFROM @BASE@\nARG F=s\nRUN --mount=type=bind,from=$F,target=/m true", error="from", at="4:")
case("run-mount-option-unknown", "FROM @BASE@\nRUN --mount=type=cache,target=/c,sharng=locked true", error="sharng", at="2:")
case("run-mount-without-target", "FROM @BASE@\nRUN --mount=type=bind,source=dir true", error="target", at="2:")
case("run-mount-continuation", "FROM @BASE@\nRUN --mount=type=bind,source=dir,target=/m \\\n    --mount=type=tmpfs,target=/t \\\n    cp /m/one.txt /t/x && cp /t/x /out")
case("run-json-escapes", 'FROM @BASE@\nRUN ["/bin/sh", "-c", "printf \'%s\' \\"a\\tb\\" > /out"]')
case("run-json-is-not-a-shell", 'FROM @BASE@\nRUN ["/bin/echo", "$HOME", "> /out"]')
case("run-json-fallback", "FROM @BASE@\nRUN [ -f /etc/motd ] && echo yes > /out")
case("run-hash-in-words", "FROM @BASE@\nRUN echo a#b > /out # a comment of the shell\nRUN echo \"#c\" >> /out")
case("run-continuation-inside-quotes", "FROM @BASE@\nRUN echo 'a \\\nb' > /out")
case("run-continuation-comment-and-empty", "FROM @BASE@\nRUN echo a > /out \\\n# between\n\n   && echo b >> /out")
case("run-escape-backtick", "# escape=`\nFROM @BASE@\nRUN echo a `\n  b\\ c > /out")
case("run-env-quotes-stay", "FROM @BASE@\nENV v=\"it's\"\nRUN echo \"$v\" '$v' > /out")
case("run-security-unknown", "FROM @BASE@\nRUN --security=strange true", error="strange", at="2:")
case("run-network-unknown", "FROM @BASE@\nRUN --network=strange true", error="strange", at="2:")
case("run-device", "FROM @BASE@\nRUN --device=vendor.com/gpu true", error="device", at="2:")
case("run-heredoc-two", "FROM @BASE@\nRUN <<A cat > /a; cat <<B > /b\nfirst\nA\nsecond\nB\n", reason=OLD, expect={"a": b"first\n", "b": b"second\n"})
case("run-heredoc-strip-tabs", "FROM @BASE@\nRUN <<-EOF\n\techo x > /out\n\tEOF\n", reason=OLD, expect={"out": "file 0644 0:0 2"})
case("run-heredoc-shell-instruction", 'FROM @BASE@\nSHELL ["/bin/sh", "-e", "-c"]\nRUN <<EOF\necho x > /out\nEOF\n', reason=OLD, expect={"out": "file 0644 0:0 2"})
case("run-heredoc-in-onbuild", "FROM @BASE@ AS p\nONBUILD RUN <<EOF\necho x > /out\nEOF\nFROM p\nCOPY a.txt /a", reason=OLD, expect={"out": "file 0644 0:0 2"})
