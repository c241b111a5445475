PLUGIN_LIBS_apigw := stage aws http yaml base
