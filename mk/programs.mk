# The programs, libraries and plugins. The build tree has the layout of an
# installed tree, so that `runner` finds its helpers the same way in both:
#   bin/runner  libexec/runner/runner-NAME  lib/runner/plugins/NAME.so
BIN := $(B)/bin
LIBEXEC := $(B)/libexec/runner
PLUGINDIR := $(B)/lib/runner/plugins

objs = $(patsubst %.c,$(B)/obj/%.o,$(1))

# ---- static libraries: lib/NAME -> libNAME.a (main_*.c are programs) ----
LIB_NAMES := base yaml http aws oci sandbox stage
define LIB_RULE
LIB_$(1)_OBJS := $$(call objs,$$(filter-out lib/$(1)/main_% $$(LEFT_OUT),$$(wildcard lib/$(1)/*.c)))
$$(B)/lib$(1).a: $$(LIB_$(1)_OBJS)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
lib$(1): $$(B)/lib$(1).a
.PHONY: lib$(1)
endef
$(foreach l,$(LIB_NAMES),$(eval $(call LIB_RULE,$(l))))
archives = $(foreach l,$(1),$(B)/lib$(l).a)

# ---- runner itself: core + lib/yaml and lib/base only ----
CORE_OBJS := $(call objs,$(wildcard core/*.c))
$(BIN)/runner: $(CORE_OBJS) $(call archives,yaml base)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie -o $@ $(CORE_OBJS) $(call archives,yaml base) $(RN_LDFLAGS) $(call libs_of,base yaml core) -ldl -lm

# ---- the sandbox helper (what sets up namespaces, in a process of its own), and doctor ----
SANDBOX_PROGRAMS := $(patsubst lib/sandbox/main_%.c,$(LIBEXEC)/runner-%,$(wildcard lib/sandbox/main_*.c))
$(SANDBOX_PROGRAMS): $(LIBEXEC)/runner-%: $(B)/obj/lib/sandbox/main_%.o $(call archives,sandbox base)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie -o $@ $^ $(RN_LDFLAGS) $(call libs_of,base sandbox) -lm

# ---- the local cloud ----
CLOUD_OBJS := $(call objs,$(wildcard localcloud/*.c))
CLOUD_ARCHIVES := $(call archives,sandbox oci aws http yaml base)
$(LIBEXEC)/runner-cloud: $(CLOUD_OBJS) $(CLOUD_ARCHIVES)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie -o $@ $(CLOUD_OBJS) $(CLOUD_ARCHIVES) $(RN_LDFLAGS) \
		$(call libs_of,localcloud sandbox oci aws http yaml base) -lm

# ---- plugins: plugins/NAME/*.c -> NAME.so, exporting the descriptor alone.
#      plugins/NAME/plugin.mk may set PLUGIN_LIBS_NAME (default: base). ----
PLUGIN_NAMES := $(notdir $(patsubst %/,%,$(dir $(wildcard plugins/*/plugin.c))))
-include $(wildcard plugins/*/plugin.mk)
define PLUGIN_RULE
PLUGIN_OBJS_$(1) := $$(call objs,$$(filter-out plugins/$(1)/main_%,$$(wildcard plugins/$(1)/*.c)))
$$(PLUGINDIR)/$(1).so: $$(PLUGIN_OBJS_$(1)) $$(call archives,$$(or $$(PLUGIN_LIBS_$(1)),base)) mk/plugin.map
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -shared -o $$@ $$(PLUGIN_OBJS_$(1)) $$(call archives,$$(or $$(PLUGIN_LIBS_$(1)),base)) \
		-Wl,--version-script=mk/plugin.map $$(if $$(SANITIZE),,-Wl,-z,defs) $$(RN_LDFLAGS) \
		$$(call libs_of,$$(or $$(PLUGIN_LIBS_$(1)),base)) -lm
endef
$(foreach p,$(PLUGIN_NAMES),$(eval $(call PLUGIN_RULE,$(p))))

# programs that commands of `runner NAME` execute and that live in a plugin folder or lib: main_NAME.c
PROGRAM_SOURCES := $(wildcard plugins/*/main_*.c lib/aws/main_*.c)
EXTRA_PROGRAMS :=
define EXTRA_RULE
EXTRA_PROGRAMS += $$(LIBEXEC)/runner-$(2)
$$(LIBEXEC)/runner-$(2): $$(call objs,$(1)) $$(if $$(filter plugins/%,$(1)),$$(PLUGIN_OBJS_$(3))) \
		$$(call archives,$$(if $$(filter plugins/%,$(1)),$$(or $$(PLUGIN_LIBS_$(3)),base),aws http base))
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -pie -o $$@ $$^ $$(RN_LDFLAGS) $$(call libs_of,sandbox oci aws http base) -lm
endef
$(foreach s,$(PROGRAM_SOURCES),$(eval $(call EXTRA_RULE,$(s),$(patsubst main_%.c,%,$(notdir $(s))),$(notdir $(patsubst %/,%,$(dir $(s)))))))

PROGRAMS := $(if $(CORE_OBJS),$(BIN)/runner) $(SANDBOX_PROGRAMS) \
	$(if $(CLOUD_OBJS),$(LIBEXEC)/runner-cloud) $(EXTRA_PROGRAMS)
programs: $(PROGRAMS)
plugins: $(PLUGIN_NAMES:%=$(PLUGINDIR)/%.so)
.PHONY: programs plugins
