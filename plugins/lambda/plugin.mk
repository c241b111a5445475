PLUGIN_LIBS_lambda := stage aws http base
