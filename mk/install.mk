# Installation. PREFIX (default /usr/local) is where it will run, DESTDIR stands before it while packaging.
# The tree below PREFIX may be moved as a whole: programs and pkg-config find their neighbours from where they are.
ROOT := $(DESTDIR)$(PREFIX)
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/runner
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
ABI := $(shell sed -n 's/^\#define RUNNER_ABI_M[AI][JN]OR \([0-9]*\)u.*/\1/p' include/runner/plugin.h | paste -sd.)
INSTALL ?= install

DOC_FILES = README.md CHANGELOG.md LICENSE $(wildcard docs/*.md)
STAGE_DOCS = $(wildcard docs/stages/*.md)
EXAMPLE_PIPES = $(wildcard pipelines/*.pipe)

## install         into DESTDIR/PREFIX (default PREFIX=/usr/local)
install: all
	umask 022; $(INSTALL) -d '$(ROOT)/bin' '$(ROOT)/libexec/runner' '$(ROOT)/lib/runner/plugins' \
		'$(ROOT)/lib/pkgconfig' '$(ROOT)/include/runner' '$(ROOT)/share/runner' '$(DESTDIR)$(MANDIR)/man1' \
		'$(DESTDIR)$(COMPLETIONDIR)' '$(DESTDIR)$(DOCDIR)/stages' '$(DESTDIR)$(DOCDIR)/pipelines'
	$(INSTALL) -m 755 $(BIN)/runner '$(ROOT)/bin/runner'
	set -e; for p in $(filter $(LIBEXEC)/%,$(PROGRAMS)); do $(INSTALL) -m 755 $$p '$(ROOT)/libexec/runner/'; done
	set -e; for p in $(PLUGIN_NAMES:%=$(PLUGINDIR)/%.so); do $(INSTALL) -m 755 $$p '$(ROOT)/lib/runner/plugins/'; done
	$(INSTALL) -m 644 include/runner/plugin.h '$(ROOT)/include/runner/plugin.h'
	$(INSTALL) -m 644 mk/runner-plugin.mk '$(ROOT)/share/runner/runner-plugin.mk'
	umask 022; sed 's/@VERSION@/$(VERSION)/; s/@ABI@/$(ABI)/' mk/runner.pc.in >'$(ROOT)/lib/pkgconfig/runner.pc'
	umask 022; $(BIN)/runner help --man >'$(DESTDIR)$(MANDIR)/man1/runner.1'
	umask 022; $(BIN)/runner completion bash >'$(DESTDIR)$(COMPLETIONDIR)/runner'
	set -e; for f in $(DOC_FILES); do $(INSTALL) -m 644 $$f '$(DESTDIR)$(DOCDIR)/'; done
	set -e; for f in $(STAGE_DOCS); do $(INSTALL) -m 644 $$f '$(DESTDIR)$(DOCDIR)/stages/'; done
	umask 022; cd examples && find . -type f ! -path '*/build/*' ! -path '*/.runner/*' | while read -r f; do \
		$(INSTALL) -D -m "$$(test -x "$$f" && echo 755 || echo 644)" "$$f" '$(DESTDIR)$(DOCDIR)/examples/'"$$f" || exit 1; done
	set -e; for f in $(EXAMPLE_PIPES); do $(INSTALL) -m 644 $$f '$(DESTDIR)$(DOCDIR)/pipelines/'; done

## uninstall       remove what install put there, and no file of anybody else
uninstall:
	rm -f '$(ROOT)/bin/runner' $(patsubst $(LIBEXEC)/%,'$(ROOT)/libexec/runner/%',$(filter $(LIBEXEC)/%,$(PROGRAMS))) \
		$(PLUGIN_NAMES:%='$(ROOT)/lib/runner/plugins/%.so') '$(ROOT)/include/runner/plugin.h' \
		'$(ROOT)/share/runner/runner-plugin.mk' '$(ROOT)/lib/pkgconfig/runner.pc' \
		'$(DESTDIR)$(MANDIR)/man1/runner.1' '$(DESTDIR)$(COMPLETIONDIR)/runner'
	rm -rf '$(DESTDIR)$(DOCDIR)'
	-rmdir '$(ROOT)/libexec/runner' '$(ROOT)/lib/runner/plugins' '$(ROOT)/lib/runner' '$(ROOT)/include/runner' \
		'$(ROOT)/share/runner' 2>/dev/null || true

## docs            print docs/man/runner.1 and docs/stages/*.md anew from the tables of commands and plugins
docs: all
	@mkdir -p docs/man docs/stages
	$(BIN)/runner help --man >docs/man/runner.1
	set -e; for p in $(PLUGIN_NAMES); do $(BIN)/runner plugins describe --markdown $$p >docs/stages/$$p.md; done

.PHONY: install uninstall docs
