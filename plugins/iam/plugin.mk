PLUGIN_LIBS_iam := stage aws http base
