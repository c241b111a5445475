PLUGIN_LIBS_oci-build := oci http base
