pinion_unit_test(plugin/test_bundle.c LIBRARIES pinion_plugin)
pinion_unit_test(plugin/test_catalogue.c LIBRARIES pinion_plugin)
pinion_unit_test(plugin/test_execute.c LIBRARIES pinion_plugin)
pinion_unit_test(plugin/test_failing_malloc.c LIBRARIES pinion_plugin failing_malloc TIMEOUT 300)
