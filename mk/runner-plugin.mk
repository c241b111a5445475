# Builds, tests and installs a plugin of runner outside of runner's own tree.
# A plugin's Makefile sets NAME (and what else it needs) and includes this file:
#
#   NAME := hello                 the plugin's name, as in `uses:`
#   SRCS := plugin.c more.c       default: plugin.c
#   PKGS := libcurl               pkg-config packages to compile and link with
#   TESTS := test.sh              what `make check` runs; each gets RUNNER and PLUGIN_DIR
#   include $(shell pkg-config --variable=mk runner)
#
# Targets: all (default), check, install, uninstall, clean.
#   B=DIR          where to build (default build)
#   PLUGINDIR=DIR  where to install (default: this user's plugin folder); DESTDIR is honoured
PKG_CONFIG ?= pkg-config
CC ?= cc
CXX ?= c++
B ?= build
SRCS ?= plugin.c
CFLAGS ?= -O2 -g
WARNINGS ?= -Wall -Wextra -Wno-missing-field-initializers

ifeq ($(NAME),)
$(error set NAME to the plugin's name before including runner-plugin.mk)
endif

RUNNER ?= $(shell $(PKG_CONFIG) --variable=runner runner)
RUNNER_PLUGINDIR := $(shell $(PKG_CONFIG) --variable=plugindir runner)
XDG_DATA_HOME ?= $(HOME)/.local/share
PLUGINDIR ?= $(XDG_DATA_HOME)/runner/plugins

RUNNER_CFLAGS := $(shell $(PKG_CONFIG) --cflags runner $(PKGS))
RUNNER_LIBS := $(if $(PKGS),$(shell $(PKG_CONFIG) --libs $(PKGS)))
OBJS := $(patsubst %,$(B)/%.o,$(SRCS))
# a plugin in C++ is linked by the C++ compiler
LINK := $(if $(filter %.cc %.cpp,$(SRCS)),$(CXX),$(CC))

all: $(B)/$(NAME).so

# group and others must not be able to write it: runner refuses such a file
$(B)/$(NAME).so: $(OBJS)
	umask 022; $(LINK) -shared -o $@ $(OBJS) $(LDFLAGS) $(RUNNER_LIBS) $(LDLIBS)
	chmod go-w $(B) $@

$(B)/%.c.o: %.c
	@umask 022; mkdir -p $(@D)
	$(CC) -std=gnu17 -fPIC -fvisibility=hidden $(WARNINGS) $(CPPFLAGS) $(RUNNER_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.cc.o $(B)/%.cpp.o: CXXFLAGS ?= $(CFLAGS)
$(B)/%.cc.o: %.cc
	@umask 022; mkdir -p $(@D)
	$(CXX) -std=gnu++20 -fPIC -fvisibility=hidden $(WARNINGS) $(CPPFLAGS) $(RUNNER_CFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.cpp.o: %.cpp
	@umask 022; mkdir -p $(@D)
	$(CXX) -std=gnu++20 -fPIC -fvisibility=hidden $(WARNINGS) $(CPPFLAGS) $(RUNNER_CFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# the descriptor must be accepted by the installed runner before the plugin's own tests run
check: all
	@$(RUNNER) plugins describe --plugin-path $(abspath $(B)) $(NAME) >/dev/null
	@set -e; for t in $(TESTS); do \
		RUNNER='$(RUNNER)' PLUGIN_DIR='$(abspath $(B))' sh ./$$t && echo "ok $$t" || { echo "FAILED $$t"; exit 1; }; \
	done

install: all
	install -d -m 755 '$(DESTDIR)$(PLUGINDIR)'
	install -m 755 $(B)/$(NAME).so '$(DESTDIR)$(PLUGINDIR)/$(NAME).so'

uninstall:
	rm -f '$(DESTDIR)$(PLUGINDIR)/$(NAME).so'

clean:
	rm -rf $(B)

.PHONY: all check install uninstall clean
-include $(OBJS:.o=.d)
