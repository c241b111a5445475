PLUGIN_LIBS_smoke-test := stage aws http base
