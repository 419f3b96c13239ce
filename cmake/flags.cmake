# The one place that says how Pinion's own code is compiled.
add_library(pinion_flags INTERFACE)
target_include_directories(pinion_flags INTERFACE "${PROJECT_SOURCE_DIR}/core" "${PROJECT_SOURCE_DIR}/include")
target_compile_definitions(pinion_flags INTERFACE _GNU_SOURCE PINION_VERSION="${PROJECT_VERSION}")
target_compile_options(pinion_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes -fno-strict-aliasing
    -fstack-protector-strong)
target_link_options(pinion_flags INTERFACE -Wl,-z,relro -Wl,-z,now)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG")

# Objects have code of their own too, for programs that are linked without the whole optimised anew.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(CMAKE_C_COMPILE_OPTIONS_IPO -flto=auto -ffat-lto-objects)
endif()

if(PINION_SANITIZE)
    set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_compile_options(pinion_flags INTERFACE ${sanitizers})
    target_link_options(pinion_flags INTERFACE -fsanitize=address,undefined)
    target_compile_definitions(pinion_flags INTERFACE PINION_POISON)
endif()
if(PINION_FUZZ)
    # Coverage for the fuzzers without libFuzzer's main in every program.
    target_compile_options(pinion_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
