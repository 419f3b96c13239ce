# The redis binding's own files in a test program, so that its allocations and its commands can be made to fail.
pkg_check_modules(HIREDIS IMPORTED_TARGET hiredis>=0.14)
if(HIREDIS_FOUND)
    pinion_unit_test(redis/test_redis.c LIBRARIES pinion_binding failing_malloc PkgConfig::HIREDIS PkgConfig::EVENT)
    set(redis "${PROJECT_SOURCE_DIR}/bindings/redis")
    target_sources(unit_redis_test_redis PRIVATE "${redis}/command.c" "${redis}/connection.c" "${redis}/functions.c"
        "${redis}/redis.c" "${redis}/reply.c" "${redis}/subscription.c" "${redis}/url.c")
    target_include_directories(unit_redis_test_redis PRIVATE "${PROJECT_SOURCE_DIR}/bindings" "${PROJECT_SOURCE_DIR}/include")
    target_link_options(unit_redis_test_redis PRIVATE -Wl,--wrap=redisAsyncCommandArgv)
endif()
