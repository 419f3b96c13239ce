# pinion_embed(target symbol file…): the files' bytes as a C array of struct embedded_file named `symbol`.
function(pinion_embed target symbol)
    set(out "${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c")
    add_custom_command(
        OUTPUT "${out}"
        COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DSYMBOL=${symbol} "-DFILES=${ARGN}"
                -P "${PROJECT_SOURCE_DIR}/cmake/embed-files.cmake"
        DEPENDS ${ARGN} "${PROJECT_SOURCE_DIR}/cmake/embed-files.cmake"
        VERBATIM)
    target_sources(${target} PRIVATE "${out}")
endfunction()
