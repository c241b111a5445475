#!/usr/bin/env bash
# Builds for arm64 with a cross compiler in a Debian 12 of its own (build/arm64) and runs the unit tests there by qemu. Needs root, mmdebstrap,
# qemu-user-static and Linux 6.7 (a binfmt_misc of one's own); nothing of this machine is changed. What needs namespaces is left out: qemu
# makes none.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD/build/arm64
include=$(printf ",%s:arm64" "$@") # packages of the target

if [ ! -e "$root/ready" ]; then
	rm -rf "$root"
	mkdir -p build
	mmdebstrap --quiet --variant=apt --architectures=amd64,arm64 \
		--include="gcc-aarch64-linux-gnu,libc6-dev-arm64-cross,make,pkg-config$include" bookworm "$root"
	for tool in ar readelf; do ln -sf "aarch64-linux-gnu-$tool" "$root/usr/bin/$tool"; done
	touch "$root/ready"
fi
mkdir -p "$root/src"
git ls-files -z | tar -c --null -T - | tar -x -C "$root/src"
chroot "$root" make -C /src -j"$(nproc)" CC=aarch64-linux-gnu-gcc all unit-tests \
	PKG_CONFIG="env PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig pkg-config"

exec unshare --mount --user --map-root-user bash -c '
	set -e
	mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
	printf "%s" ":arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:$(command -v qemu-aarch64-static):PF" >/proc/sys/fs/binfmt_misc/register
	for folder in proc dev; do mount --rbind "/$folder" "$1/$folder"; done
	mount -t tmpfs none "$1/tmp"
	exec chroot "$1" bash -c '\''
		cd /src && passed=0 failed=0
		for program in build/release/tests/*/*_test; do
			if timeout 900 "$program" >/tmp/said 2>&1; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "$program"; cat /tmp/said; fi
		done
		echo "arm64: $passed programs of unit tests passed, $failed failed"
		test $failed = 0'\''
' - "$root"
