PLUGIN_LIBS_oci-build := oci sandbox http base
