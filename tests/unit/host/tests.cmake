foreach(name IN ITEMS test_bus test_forward test_harden test_quarantine test_slab test_sources test_watch)
    pinion_unit_test(host/${name}.c LIBRARIES pinion_host)
endforeach()
pinion_unit_test(host/test_config.c LIBRARIES pinion_host failing_malloc)
