#!/bin/sh
# Run by `make check`, which sets RUNNER (the program) and PLUGIN_DIR (where wait-for.so is).
set -eu
cd "$(dirname "$0")"
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
runner() { (cd "$work" && "$RUNNER" run --plugin-path "$PLUGIN_DIR" "$@") >"$work/log" 2>&1; }
fail() { cat "$work/log"; echo "test.sh: $1" >&2; exit 1; }

# it waits for a file that appears meanwhile
(sleep 0.2; : >"$work/flag") &
runner --set file="$work/flag" "$here/wait-for.pipe" || fail "the run failed"
grep -q "waited [0-9]* ms" "$work/log" || fail "no time was reported"
wait

# a port that nobody listens on: the stage fails in time and says which target
cat >"$work/refused.pipe" <<'PIPE'
stages:
  - {id: port, uses: wait-for, with: {targets: "127.0.0.1:1", deadline: 100ms, interval: 20ms}}
PIPE
if runner refused.pipe; then fail "a closed port was taken for an open one"; fi
grep -q "127.0.0.1:1 is not there" "$work/log" || fail "the message does not name the target"

# a target that is none is refused before anything runs
sed 's/127.0.0.1:1/nonsense/' "$work/refused.pipe" >"$work/nonsense.pipe"
if runner nonsense.pipe; then fail "nonsense was accepted"; fi
grep -q "HOST:PORT" "$work/log" || fail "the message does not say what a target is"
