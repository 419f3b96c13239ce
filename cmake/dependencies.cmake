# Libraries from packages, and the Lua that scripts/lua made. Minimum versions are the design's.
find_package(PkgConfig REQUIRED)
pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET libevent_core>=2.1.12)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.40)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8>=10.42)
pkg_check_modules(CURL REQUIRED libcurl>=7.87) # its headers; the library is loaded while a worker starts
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq>=15)
pkg_check_modules(ARGON2 REQUIRED IMPORTED_TARGET libargon2)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

add_library(pinion_lua_vm STATIC IMPORTED)
set_target_properties(pinion_lua_vm PROPERTIES
    IMPORTED_LOCATION "${PINION_LUA_DIR}/lib/liblua.a"
    INTERFACE_INCLUDE_DIRECTORIES "${PINION_LUA_DIR}/include"
    INTERFACE_LINK_LIBRARIES m)
