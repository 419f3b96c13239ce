set(script_tests test_alloc test_vm test_sandbox test_define test_define_type test_settings test_export_agrees test_codec_decode test_codec_encode
    test_call test_ctx test_failing_memory test_libraries test_scheduler test_strings test_types)
foreach(name IN LISTS script_tests)
    pinion_unit_test(lua/${name}.c LIBRARIES pinion_script pinion_lua_vm)
endforeach()

pinion_unit_test(lua/test_property.c LIBRARIES pinion_script pinion_lua_vm TIMEOUT 300)
target_sources(unit_lua_test_property PRIVATE "${CMAKE_CURRENT_LIST_DIR}/random_contract.c")
