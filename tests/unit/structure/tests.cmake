add_test(NAME structure/rooms COMMAND /usr/bin/python3 "${CMAKE_CURRENT_SOURCE_DIR}/structure/check_rooms.py")
set_tests_properties(structure/rooms PROPERTIES TIMEOUT 60 ENVIRONMENT "PINION_SOURCE=${PROJECT_SOURCE_DIR}")
