# Static checks. Everything that `make lint` says is a defect or carries its reason beside the code.
LINT_SOURCES := $(filter-out $(LEFT_OUT),$(wildcard core/*.c lib/*/*.c plugins/*/*.c localcloud/*.c))
LINT_STAMPS := $(LINT_SOURCES:%=$(B)/lint/%.ok)

## lint            clang-tidy, cppcheck, and the sizes of files and functions
lint: deps-lint
	@$(MAKE) --no-print-directory lint-tidy lint-cppcheck
	@python3 scripts/sizes.py

# What clang-tidy cannot know; the file that defines those functions does without.
LINT_KNOWN = $(if $(filter lib/base/error.c,$<),,-include mk/analyzer.h)

lint-tidy: $(LINT_STAMPS)
$(B)/lint/%.ok: % .clang-tidy mk/analyzer.h
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(RN_CPPFLAGS) $(LINT_KNOWN) -std=gnu17 2>$@.log >$@.out || { cat $@.out; grep error: $@.log; exit 1; }
	@touch $@

lint-cppcheck:
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 --inline-suppr \
		--suppressions-list=mk/cppcheck.txt -j2 $(filter -D% -I%,$(RN_CPPFLAGS)) core lib plugins localcloud

## compdb          write compile_commands.json for editors
compdb:
	@python3 scripts/compdb.py "$(CC) $(RN_CPPFLAGS) $(RN_CFLAGS)" $(LINT_SOURCES) > compile_commands.json
.PHONY: lint lint-tidy lint-cppcheck compdb
