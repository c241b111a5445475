# Compiler and linker flags, and the stamp that rebuilds when they change.
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
PKG_CONFIG ?= pkg-config
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

OPTIMIZE ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla \
	-Wwrite-strings -Wswitch-enum -Wundef -Wpointer-arith -Wold-style-definition \
	-Wno-missing-field-initializers
MACHINE := $(shell $(CC) -dumpmachine)
X86_64 := $(filter x86_64-%,$(MACHINE))
HARDENING := -fstack-protector-strong -fstack-clash-protection $(if $(X86_64),-fcf-protection,$(if $(filter aarch64-%,$(MACHINE)),-mbranch-protection=standard))
ifneq ($(filter -O0,$(OPTIMIZE))$(SANITIZE),)
HARDENING += -U_FORTIFY_SOURCE
else
HARDENING += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif
INSTRUMENT := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
	$(if $(COVERAGE),--coverage)

RN_CPPFLAGS := -D_GNU_SOURCE -DRUNNER_VERSION='"$(VERSION)"' -Iinclude -Ilib $(CPPFLAGS)
RN_CFLAGS := -std=gnu17 $(OPTIMIZE) -fPIC -pthread -fvisibility=hidden -ffunction-sections -fdata-sections \
	$(WARNINGS) $(if $(DEV),-Werror) $(HARDENING) $(INSTRUMENT) $(CFLAGS)
RN_LDFLAGS := -pthread -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections -Wl,--compress-debug-sections=zlib $(INSTRUMENT) $(LDFLAGS)

# What each part needs from the distribution: pkg-config names.
PKGS_base := libcjson
PKGS_yaml := libfyaml
PKGS_http := libcurl
PKGS_aws := libcurl libcrypto
PKGS_oci := libcrypto libarchive libdeflate libzstd zlib
PKGS_sandbox := libseccomp
PKGS_core := libmd libcjson
PKGS_localcloud := libmicrohttpd sqlite3
PKGS_ALL := $(sort $(PKGS_base) $(PKGS_yaml) $(PKGS_http) $(PKGS_aws) $(PKGS_oci) $(PKGS_sandbox) $(PKGS_core) $(PKGS_localcloud))
libs_of = $(shell $(PKG_CONFIG) --libs $(sort $(foreach p,$(1),$(PKGS_$(p)))) 2>/dev/null)

# ISA-L inflates base layers on x86-64, where pkg-config finds it; zlib does it elsewhere, since on arm64 ISA-L before 2.32
# takes valid streams for damaged (intel/isa-l#316). One of two sources is left out for that.
ISAL := $(if $(X86_64),$(shell $(PKG_CONFIG) --exists libisal && echo yes))
LEFT_OUT := lib/oci/gunzip_$(if $(ISAL),no_isal,isal).c

# Libraries that are loaded when they are needed first (lib/http/libcurl.c, lib/oci/libarchive.c, lib/oci/gunzip_isal.c): under the
# name that linking would have recorded.
soname_of = $(shell readelf -d "$$($(CC) -print-file-name=lib$(1).so)" 2>/dev/null | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
CURL_SONAME := $(or $(call soname_of,curl),libcurl.so.4)
ARCHIVE_SONAME := $(or $(call soname_of,archive),libarchive.so.13)
ISAL_SONAME := $(or $(call soname_of,isal),libisal.so.2)
$(B)/obj/lib/http/libcurl.o: RN_CPPFLAGS += -DLIBCURL_SONAME='"$(CURL_SONAME)"'
$(B)/obj/lib/oci/libarchive.o: RN_CPPFLAGS += -DLIBARCHIVE_SONAME='"$(ARCHIVE_SONAME)"'
$(B)/obj/lib/oci/gunzip_isal.o: RN_CPPFLAGS += -DLIBISAL_SONAME='"$(ISAL_SONAME)"'

FLAGS_STAMP := $(B)/flags
FLAGS_TEXT := $(CC) $(RN_CPPFLAGS) $(RN_CFLAGS) $(RN_LDFLAGS) $(LEFT_OUT)
$(FLAGS_STAMP): force
	@mkdir -p $(B); printf '%s\n' '$(subst ','\'',$(FLAGS_TEXT))' | cmp -s - $@ || \
	printf '%s\n' '$(subst ','\'',$(FLAGS_TEXT))' > $@
force:
.PHONY: force

$(B)/obj/%.o: %.c $(FLAGS_STAMP)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(RN_CPPFLAGS) $(RN_CFLAGS) -MMD -MP -c -o $@ $<
