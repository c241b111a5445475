# What the distribution must bring (Debian 12 names), and who installs it.
DEPS_BUILD := gcc make pkg-config libc6-dev libcurl4-openssl-dev libssl-dev libarchive-dev libcjson-dev \
	libfyaml-dev libmd-dev libdeflate-dev libzstd-dev zlib1g-dev libseccomp-dev libmicrohttpd-dev libsqlite3-dev \
	ca-certificates $(if $(X86_64),libisal-dev)
DEPS_RUN := uidmap
DEPS_TEST := busybox-static zstd libcmocka-dev g++ python3 python3-venv skopeo buildah podman umoci awscli docker-registry uidmap curl jq git openssh-client \
	iproute2 procps valgrind util-linux libcap2-bin bzip2 xz-utils qemu-user-static rpm db5.3-util
DEPS_DEMO_PYTHON := mmdebstrap python3 python3-pip
DEPS_LINT := clang libclang-rt-14-dev clang-tidy clang-format cppcheck

# $(call install,PACKAGES): installs those that dpkg does not know as installed; needs root or sudo only then
define install
@missing=; for p in $(1); do \
	dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "installing:$$missing"; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >build/apt.log 2>&1 || \
	{ tail -20 build/apt.log 2>/dev/null; echo "could not install:$$missing (Debian packages; install them by hand and try again)" >&2; exit 3; }; \
fi
endef

build:
	@mkdir -p build

## deps            install the packages that building needs (root or sudo)
deps: | build
	$(call install,$(DEPS_BUILD) $(DEPS_RUN))

deps-test: | build
	$(call install,$(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST))

deps-demo-python: | build
	$(call install,$(DEPS_DEMO_PYTHON))

deps-lint: | build
	$(call install,$(DEPS_BUILD) $(DEPS_LINT))

# The Python of the end-to-end tests, in a folder of its own.
VENV := build/venv
$(VENV)/ready: tests/requirements.txt | deps-test
	@echo "preparing the test clients (boto3, moto, pytest)"
	@rm -rf $(VENV) && $$(command -v /usr/bin/python3 || command -v python3) -m venv $(VENV)
	@$(VENV)/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt
	@touch $@
.PHONY: deps deps-test deps-demo-python deps-lint
