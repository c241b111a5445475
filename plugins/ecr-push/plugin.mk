PLUGIN_LIBS_ecr-push := stage oci aws http base
