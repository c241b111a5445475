# runner: build, test, install. `make help` lists the targets.
#
#   B=DIR         where everything is built (default build/release)
#   SANITIZE=x,y  e.g. address,undefined: builds into build/sanitize
#   DEV=1         warnings are errors        V=1  shows the commands
#   PREFIX, DESTDIR  where `make install` puts things
#
# Adding a source file, a plugin folder or a unit test edits no list here.

VERSION := 0.1.0
PREFIX ?= /usr/local
B ?= build/$(if $(SANITIZE),sanitize,$(if $(COVERAGE),coverage,release))

all: programs plugins

include mk/flags.mk
include mk/deps.mk
include mk/programs.mk
include mk/tests.mk
include mk/install.mk
include mk/fuzz.mk
include mk/demo.mk
include mk/lint.mk

help:
	@sed -n 's/^## //p' Makefile mk/*.mk

## all             build the programs and plugins into build/release
## clean           remove build/
clean:
	rm -rf build

.PHONY: all help clean
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
-include $(shell find $(B) -name '*.d' 2>/dev/null)
